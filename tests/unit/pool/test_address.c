/* test_address.c - the classes of addresses: each block from its first address to its last. */
#include <check.h>
#include <stdlib.h>

#include "tests/unit/pool/guard_kit.h"

enum { NO_CLASS = -1 };

/* The neighbour of an address: one up or one down. */
static union url_address next_to(union url_address address, int step)
{
	unsigned char *bytes = address.sa.sa_family == AF_INET
				       ? (unsigned char *)&address.v4.sin_addr
				       : address.v6.sin6_addr.s6_addr;
	int at = address.sa.sa_family == AF_INET ? 3 : 15;

	for (; at >= 0; at--) {
		bytes[at] = (unsigned char)(bytes[at] + step);
		if (bytes[at] != (step > 0 ? 0 : 255))
			break;
	}
	return address;
}

static const struct {
	const char *first, *last;
	int class, before, after; /* NO_CLASS: the block is at an end of the address space */
} blocks[] = {
	{"0.0.0.0", "0.255.255.255", GUARD_SPECIAL, NO_CLASS, GUARD_PUBLIC},
	{"10.0.0.0", "10.255.255.255", GUARD_PRIVATE, GUARD_PUBLIC, GUARD_PUBLIC},
	{"100.64.0.0", "100.127.255.255", GUARD_PRIVATE, GUARD_PUBLIC, GUARD_PUBLIC},
	{"100.100.100.200", "100.100.100.200", GUARD_METADATA, GUARD_PRIVATE, GUARD_PRIVATE},
	{"127.0.0.0", "127.255.255.255", GUARD_LOOPBACK, GUARD_PUBLIC, GUARD_PUBLIC},
	{"168.63.129.16", "168.63.129.16", GUARD_METADATA, GUARD_PUBLIC, GUARD_PUBLIC},
	{"169.254.0.0", "169.254.255.255", GUARD_LINK_LOCAL, GUARD_PUBLIC, GUARD_PUBLIC},
	{"169.254.169.254", "169.254.169.254", GUARD_METADATA, GUARD_LINK_LOCAL, GUARD_LINK_LOCAL},
	{"169.254.170.2", "169.254.170.2", GUARD_METADATA, GUARD_LINK_LOCAL, GUARD_LINK_LOCAL},
	{"169.254.170.23", "169.254.170.23", GUARD_METADATA, GUARD_LINK_LOCAL, GUARD_LINK_LOCAL},
	{"172.16.0.0", "172.31.255.255", GUARD_PRIVATE, GUARD_PUBLIC, GUARD_PUBLIC},
	{"192.0.0.0", "192.0.0.255", GUARD_SPECIAL, GUARD_PUBLIC, GUARD_PUBLIC},
	{"192.0.0.192", "192.0.0.192", GUARD_METADATA, GUARD_SPECIAL, GUARD_SPECIAL},
	{"192.0.2.0", "192.0.2.255", GUARD_SPECIAL, GUARD_PUBLIC, GUARD_PUBLIC},
	{"192.31.196.0", "192.31.196.255", GUARD_SPECIAL, GUARD_PUBLIC, GUARD_PUBLIC},
	{"192.52.193.0", "192.52.193.255", GUARD_SPECIAL, GUARD_PUBLIC, GUARD_PUBLIC},
	{"192.88.99.0", "192.88.99.255", GUARD_SPECIAL, GUARD_PUBLIC, GUARD_PUBLIC},
	{"192.168.0.0", "192.168.255.255", GUARD_PRIVATE, GUARD_PUBLIC, GUARD_PUBLIC},
	{"192.175.48.0", "192.175.48.255", GUARD_SPECIAL, GUARD_PUBLIC, GUARD_PUBLIC},
	{"198.18.0.0", "198.19.255.255", GUARD_SPECIAL, GUARD_PUBLIC, GUARD_PUBLIC},
	{"198.51.100.0", "198.51.100.255", GUARD_SPECIAL, GUARD_PUBLIC, GUARD_PUBLIC},
	{"203.0.113.0", "203.0.113.255", GUARD_SPECIAL, GUARD_PUBLIC, GUARD_PUBLIC},
	{"224.0.0.0", "239.255.255.255", GUARD_SPECIAL, GUARD_PUBLIC, GUARD_SPECIAL},
	{"240.0.0.0", "255.255.255.255", GUARD_SPECIAL, GUARD_SPECIAL, NO_CLASS},
	{"::", "::", GUARD_SPECIAL, NO_CLASS, GUARD_LOOPBACK},
	{"::1", "::1", GUARD_LOOPBACK, GUARD_SPECIAL, GUARD_SPECIAL},
	{"::2", "::a9fd:ffff", GUARD_SPECIAL, GUARD_LOOPBACK, GUARD_LINK_LOCAL},
	{"::ffff:0:0", "::ffff:a9fd:ffff", GUARD_SPECIAL, GUARD_SPECIAL, GUARD_LINK_LOCAL},
	{"::ffff:169.254.169.254", "::ffff:169.254.169.254", GUARD_METADATA, GUARD_LINK_LOCAL,
		GUARD_LINK_LOCAL},
	{"::ffff:0:a9fe:a9fe", "::ffff:0:a9fe:a9fe", GUARD_METADATA, GUARD_LINK_LOCAL,
		GUARD_LINK_LOCAL},
	{"64:ff9b::a9fe:a9fe", "64:ff9b::a9fe:a9fe", GUARD_METADATA, GUARD_LINK_LOCAL,
		GUARD_LINK_LOCAL},
	{"64:ff9b:1::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", GUARD_METADATA, GUARD_LINK_LOCAL,
		GUARD_LINK_LOCAL},
	{"64:ff9b::808:808", "64:ff9b::808:808", GUARD_SPECIAL, GUARD_SPECIAL, GUARD_SPECIAL},
	{"100::", "100::ffff:ffff:ffff:ffff", GUARD_SPECIAL, GUARD_SPECIAL, GUARD_SPECIAL},
	{"100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff", GUARD_SPECIAL, GUARD_SPECIAL,
		GUARD_SPECIAL},
	{"2000::", "2000::ffff", GUARD_PUBLIC, GUARD_SPECIAL, GUARD_PUBLIC},
	{"2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", GUARD_SPECIAL, GUARD_PUBLIC,
		GUARD_PUBLIC},
	{"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", GUARD_SPECIAL, GUARD_PUBLIC,
		GUARD_PUBLIC},
	{"2002::", "2002:a9fd:ffff:ffff:ffff:ffff:ffff:ffff", GUARD_SPECIAL, GUARD_PUBLIC,
		GUARD_LINK_LOCAL},
	{"2002:a9fe:a9fe::", "2002:a9fe:a9fe:ffff:ffff:ffff:ffff:ffff", GUARD_METADATA,
		GUARD_LINK_LOCAL, GUARD_LINK_LOCAL},
	{"2002:a9ff::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", GUARD_SPECIAL, GUARD_LINK_LOCAL,
		GUARD_PUBLIC},
	{"2600:1f00::5efe:0:0", "2600:1f00::5efe:a9fd:ffff", GUARD_SPECIAL, GUARD_PUBLIC,
		GUARD_LINK_LOCAL},
	{"2600:1f00::5efe:a9ff:0", "2600:1f00::5efe:ffff:ffff", GUARD_SPECIAL, GUARD_LINK_LOCAL,
		GUARD_PUBLIC},
	{"2600::200:5efe:808:808", "2600::200:5efe:808:808", GUARD_SPECIAL, GUARD_SPECIAL,
		GUARD_SPECIAL},
	{"2600::100:5efe:808:808", "2600::100:5efe:808:808", GUARD_PUBLIC, GUARD_PUBLIC,
		GUARD_PUBLIC},
	{"2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff", GUARD_SPECIAL, GUARD_PUBLIC,
		GUARD_PUBLIC},
	{"3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", GUARD_SPECIAL, GUARD_PUBLIC,
		GUARD_PUBLIC},
	{"3fff:1000::", "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", GUARD_PUBLIC, GUARD_SPECIAL,
		GUARD_SPECIAL},
	{"4000::", "4000::", GUARD_SPECIAL, GUARD_PUBLIC, GUARD_SPECIAL},
	{"5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", GUARD_SPECIAL, GUARD_SPECIAL,
		GUARD_SPECIAL},
	{"fc00::", "fc00::ffff", GUARD_PRIVATE, GUARD_SPECIAL, GUARD_PRIVATE},
	{"fd00:ec2::", "fd00:ec2:ffff:ffff:ffff:ffff:ffff:ffff", GUARD_METADATA, GUARD_PRIVATE,
		GUARD_PRIVATE},
	{"fd20:ce::254", "fd20:ce::254", GUARD_METADATA, GUARD_PRIVATE, GUARD_PRIVATE},
	{"fd00:42::42", "fd00:42::42", GUARD_METADATA, GUARD_PRIVATE, GUARD_PRIVATE},
	{"fd00:c1::a9fe:a9fe", "fd00:c1::a9fe:a9fe", GUARD_METADATA, GUARD_PRIVATE, GUARD_PRIVATE},
	{"fdff::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", GUARD_PRIVATE, GUARD_PRIVATE,
		GUARD_SPECIAL},
	{"fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", GUARD_LINK_LOCAL, GUARD_SPECIAL,
		GUARD_SPECIAL},
	{"fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", GUARD_SPECIAL, GUARD_LINK_LOCAL,
		GUARD_SPECIAL},
	{"ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", GUARD_SPECIAL, GUARD_SPECIAL,
		NO_CLASS},
};

START_TEST(each_block_of_addresses_has_its_class_to_the_last_address)
{
	union url_address first = address_from(blocks[_i].first),
			  last = address_from(blocks[_i].last), near;

	ck_assert_int_eq(guard_classify(&first.sa), (enum guard_class)blocks[_i].class);
	ck_assert_int_eq(guard_classify(&last.sa), (enum guard_class)blocks[_i].class);
	if (blocks[_i].before != NO_CLASS) {
		near = next_to(first, -1);
		ck_assert_int_eq(guard_classify(&near.sa), (enum guard_class)blocks[_i].before);
	}
	if (blocks[_i].after != NO_CLASS) {
		near = next_to(last, 1);
		ck_assert_int_eq(guard_classify(&near.sa), (enum guard_class)blocks[_i].after);
	}
}
END_TEST

START_TEST(an_unknown_family_is_special)
{
	struct sockaddr_storage address = {.ss_family = AF_UNIX};

	ck_assert_int_eq(guard_classify((const struct sockaddr *)&address), GUARD_SPECIAL);
	address.ss_family = AF_UNSPEC;
	ck_assert_int_eq(guard_classify((const struct sockaddr *)&address), GUARD_SPECIAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool/address");
	TCase *tcase = tcase_create("address");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, each_block_of_addresses_has_its_class_to_the_last_address, 0,
		(int)(sizeof blocks / sizeof *blocks));
	tcase_add_test(tcase, an_unknown_family_is_special);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
