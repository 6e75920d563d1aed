/* test_guard.c - which targets may be called: the classes of addresses, and what the configuration
 * changes. */
#include <arpa/inet.h>
#include <check.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "pool/guard.h"

enum { NO_CLASS = -1, OWN_PORT = 8099 };

static union url_address address_from(const char *text)
{
	union url_address address;

	memset(&address, 0, sizeof address);
	if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1)
		address.sa.sa_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &address.v6.sin6_addr) == 1)
		address.sa.sa_family = AF_INET6;
	else
		ck_abort_msg("not an address: %s", text);
	return address;
}

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

/* "a, b" as a list of the configuration; the texts live in `copy`. */
static struct config_strings list_of(const char *csv, char *copy, char **items)
{
	struct config_strings list = {.items = items};
	char *save = NULL;

	strcpy(copy, csv);
	for (char *item = strtok_r(copy, ", ", &save); item; item = strtok_r(NULL, ", ", &save))
		items[list.count++] = item;
	return list;
}

enum flags { NOT_PUBLIC = 1, ALLOW_PRIVATE = 2 };

static enum err_code make(const char *allow, const char *deny, unsigned flags,
	struct guard **ret_guard, struct err *err)
{
	char allow_text[512], deny_text[512], *allow_items[32], *deny_items[32];
	uint16_t ports[] = {80, 443};
	struct config config = {.targets = {.ports = ports, .port_count = 2}};

	config.targets.public_addresses = !(flags & NOT_PUBLIC);
	config.targets.allow_private = flags & ALLOW_PRIVATE;
	config.targets.allow = list_of(allow, allow_text, allow_items);
	config.targets.deny = list_of(deny, deny_text, deny_items);
	return guard_new(&config, OWN_PORT, ret_guard, err);
}

#define OK ""
#define ADDRESS "address_denied"
#define HOST "host_denied"
#define PORT "port_denied"

static const struct {
	const char *allow, *deny;
	unsigned flags;
	const char *url, *verdict;
	const char *address, *address_verdict; /* what the name resolves to; NULL: not asked */
} policies[] = {
	/* nothing configured */
	{"", "", 0, "http://example.com/", OK, "8.8.8.8", OK},
	{"", "", 0, "http://example.com/", OK, "10.0.0.1", ADDRESS},
	{"", "", 0, "http://example.com/", OK, "::ffff:8.8.8.8", ADDRESS},
	{"", "", 0, "http://example.com/", OK, "64:ff9b::a00:1", ADDRESS},
	{"", "", 0, "http://example.com:81/", PORT, "8.8.8.8", ADDRESS},
	{"", "", 0, "http://localhost/", HOST, "8.8.8.8", ADDRESS},
	{"", "", 0, "http://localhost:81/", PORT, NULL, NULL},
	{"", "", 0, "http://127.0.0.1:81/", PORT, NULL, NULL},
	{"", "", 0, "http://[::ffff:8.8.8.8]/", ADDRESS, NULL, NULL},
	/* a name with a port */
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "10.0.0.1", OK},
	{"users.internal:8080", "", 0, "http://USERS.internal:8080/", OK, "127.0.0.1", OK},
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "::1", OK},
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "fd00::1", OK},
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "8.8.8.8", OK},
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "169.254.169.254",
		ADDRESS},
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "169.254.1.1", ADDRESS},
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "fe80::1", ADDRESS},
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "fd00:ec2::254", ADDRESS},
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "100.100.100.200",
		ADDRESS},
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "168.63.129.16", ADDRESS},
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "::ffff:10.0.0.1",
		ADDRESS},
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "0.0.0.0", ADDRESS},
	{"users.internal:8080", "", 0, "http://users.internal:8080/", OK, "224.0.0.1", ADDRESS},
	{"users.internal:8080", "", 0, "http://users.internal/", HOST, "10.0.0.1", ADDRESS},
	{"users.internal:8080", "", 0, "http://users.internal:8081/", PORT, "10.0.0.1", ADDRESS},
	{"users.internal:8080", "", 0, "http://other.internal:8080/", PORT, NULL, NULL},
	{"users.internal:8080", "", 0, "http://x.users.internal:8080/", PORT, NULL, NULL},
	{"users.internal:8080", "", 0, "http://10.0.0.1:8080/", PORT, NULL, NULL},
	/* a name without: the usual ports */
	{"db.corp", "", 0, "https://db.corp/", OK, "192.168.1.1", OK},
	{"db.corp", "", 0, "http://db.corp/", OK, "192.168.1.1", OK},
	{"db.corp", "", 0, "http://db.corp:8080/", PORT, "192.168.1.1", ADDRESS},
	{"db.corp", "", 0, "http://evil.example/", OK, "192.168.1.1", ADDRESS},
	{"localhost:9000", "", 0, "http://localhost:9000/", OK, "127.0.0.1", OK},
	/* a suffix */
	{"*.svc.cluster.local:8080", "", 0, "http://a.svc.cluster.local:8080/", OK, "10.1.1.1", OK},
	{"*.svc.cluster.local:8080", "", 0, "http://a.b.svc.cluster.local:8080/", OK, "10.1.1.1",
		OK},
	{"*.svc.cluster.local:8080", "", 0, "http://svc.cluster.local:8080/", PORT, NULL, NULL},
	{"*.svc.cluster.local:80", "", 0, "http://svc.cluster.local/", HOST, NULL, NULL},
	{"*.svc.cluster.local:80", "", 0, "http://xsvc.cluster.local/", HOST, NULL, NULL},
	{"*.svc.cluster.local:80", "", 0, "http://a.svc.cluster.local.evil.example/", OK,
		"10.1.1.1", ADDRESS},
	/* networks */
	{"10.2.0.0/16:9000", "", 0, "http://10.2.3.4:9000/", OK, NULL, NULL},
	{"10.2.0.0/16:9000", "", 0, "http://10.1.255.255:9000/", PORT, NULL, NULL},
	{"10.2.0.0/16:9000", "", 0, "http://10.3.0.0:9000/", PORT, NULL, NULL},
	{"10.2.0.0/16:9000", "", 0, "http://10.2.3.4/", ADDRESS, NULL, NULL},
	{"10.2.0.0/16:9000", "", 0, "http://users.internal:9000/", OK, "10.2.0.5", OK},
	{"10.2.0.0/16:9000", "", 0, "http://users.internal:9000/", OK, "10.3.0.5", ADDRESS},
	{"10.2.0.0/16:9000", "", 0, "http://users.internal:9000/", OK, "8.8.8.8", ADDRESS},
	{"10.2.0.0/16:9000", "", 0, "http://example.com:9000/", OK, "8.8.8.8", ADDRESS},
	{"10.2.0.0/16:9000", "", 0, "http://example.com/", OK, "10.2.0.5", ADDRESS},
	{"10.2.0.0/16:9000", "", 0, "http://users.internal/", HOST, NULL, NULL},
	{"10.2.0.0/16:9000", "", 0, "http://[::ffff:10.2.0.5]:9000/", PORT, NULL, NULL},
	{"10.2.0.0/16:9000", "", 0, "http://users.internal:9000/", OK, "::ffff:10.2.0.5", ADDRESS},
	{"10.2.0.0/16", "", 0, "http://users.internal/", OK, "10.2.0.5", OK},
	{"10.2.0.0/16", "", 0, "http://users.internal/", OK, "8.8.8.8", ADDRESS},
	{"10.2.0.0/16", "", 0, "http://example.com/", OK, "8.8.8.8", OK},
	{"[fd00::/8]:9000", "", 0, "http://[fd12::1]:9000/", OK, NULL, NULL},
	{"[fd00::/8]:9000", "", 0, "http://[fc12::1]:9000/", PORT, NULL, NULL},
	{"[fd00::/8]:9000", "", 0, "http://[fd00:ec2::254]:9000/", ADDRESS, NULL, NULL},
	{"[fd00::/8]:9000", "", 0, "http://x.example:9000/", OK, "fd12::1", OK},
	{"fd00::/8", "", 0, "http://[fd12::1]/", OK, NULL, NULL},
	{"[fd00::/8]", "", 0, "https://[fd12::1]/", OK, NULL, NULL},
	{"0.0.0.0/0", "", 0, "http://169.254.169.254/", ADDRESS, NULL, NULL},
	{"0.0.0.0/0", "", 0, "http://192.0.2.1/", OK, NULL, NULL},
	{"[::/0]", "", 0, "http://[::ffff:8.8.8.8]/", ADDRESS, NULL, NULL},
	{"[::/0]", "", 0, "http://[fe80::1]/", ADDRESS, NULL, NULL},
	{"[64:ff9b::/96]", "", 0, "http://example.com/", OK, "64:ff9b::808:808", OK},
	{"[64:ff9b::/96]", "", 0, "http://example.com/", OK, "64:ff9b::a9fe:a9fe", ADDRESS},
	/* literal addresses */
	{"10.0.0.7", "", 0, "http://10.0.0.7/", OK, NULL, NULL},
	{"10.0.0.7", "", 0, "http://10.0.0.8/", ADDRESS, NULL, NULL},
	{"127.0.0.1:9000", "", 0, "http://127.0.0.1:9000/", OK, NULL, NULL},
	{"127.0.0.1:9000", "", 0, "http://localhost:9000/", OK, "127.0.0.1", OK},
	{"127.0.0.1:9000", "", 0, "http://localhost:9000/", OK, "::1", ADDRESS},
	{"[::1]:8080", "", 0, "http://[::1]:8080/", OK, NULL, NULL},
	{"::1", "", 0, "http://[::1]/", OK, NULL, NULL},
	{"169.254.169.254", "", 0, "http://169.254.169.254/", OK, NULL, NULL},
	{"169.254.169.254", "", 0, "http://metadata.example/", OK, "169.254.169.254", OK},
	{"169.254.169.254:81", "", 0, "http://169.254.169.254/", ADDRESS, NULL, NULL},
	{"169.254.0.0/16", "", 0, "http://169.254.169.254/", ADDRESS, NULL, NULL},
	{"169.254.169.254/32", "", 0, "http://169.254.169.254/", OK, NULL, NULL},
	{"[fe80::1]", "", 0, "http://[fe80::1]/", OK, NULL, NULL},
	{"[::ffff:10.0.0.1]", "", 0, "http://[::ffff:10.0.0.1]/", OK, NULL, NULL},
	{"10.0.0.1", "", 0, "http://[::ffff:10.0.0.1]/", ADDRESS, NULL, NULL},
	/* deny wins over everything */
	{"", "evil.example", 0, "http://evil.example/", HOST, NULL, NULL},
	{"", "evil.example", 0, "http://EVIL.example:443/", HOST, NULL, NULL},
	{"", "evil.example", 0, "http://x.evil.example/", OK, "8.8.8.8", OK},
	{"", "*.evil.example", 0, "http://x.evil.example/", HOST, NULL, NULL},
	{"", "*.evil.example", 0, "http://evil.example/", OK, "8.8.8.8", OK},
	{"", "evil.example:443", 0, "http://evil.example/", OK, "8.8.8.8", OK},
	{"", "evil.example:443", 0, "https://evil.example/", HOST, NULL, NULL},
	{"", "8.8.8.0/24", 0, "http://8.8.8.8/", ADDRESS, NULL, NULL},
	{"", "8.8.8.0/24", 0, "http://example.com/", OK, "8.8.8.255", ADDRESS},
	{"", "8.8.8.0/24", 0, "http://example.com/", OK, "8.8.9.0", OK},
	{"", "8.8.8.0/24:443", 0, "http://8.8.8.8/", OK, NULL, NULL},
	{"", "8.8.8.0/24:443", 0, "https://8.8.8.8/", ADDRESS, NULL, NULL},
	{"10.2.0.0/16:9000", "10.2.1.0/24", 0, "http://10.2.1.1:9000/", ADDRESS, NULL, NULL},
	{"10.2.0.0/16:9000", "10.2.1.0/24", 0, "http://10.2.2.1:9000/", OK, NULL, NULL},
	{"10.2.1.1:9000", "10.2.1.1", 0, "http://10.2.1.1:9000/", ADDRESS, NULL, NULL},
	{"users.internal:8080", "10.0.0.0/8", 0, "http://users.internal:8080/", OK, "10.0.0.1",
		ADDRESS},
	{"users.internal:8080", "*.internal", 0, "http://users.internal:8080/", HOST, NULL, NULL},
	{"[::ffff:10.0.0.1]", "10.0.0.0/8", 0, "http://[::ffff:10.0.0.1]/", ADDRESS, NULL, NULL},
	{"", "[2606::/16]", 0, "http://[2606::1]/", ADDRESS, NULL, NULL},
	/* allow_private lifts host, address and port rules, but not deny, link-local and metadata
	 */
	{"", "", ALLOW_PRIVATE, "http://localhost:9000/", OK, "127.0.0.1", OK},
	{"", "", ALLOW_PRIVATE, "http://127.0.0.1:9000/", OK, NULL, NULL},
	{"", "", ALLOW_PRIVATE, "http://[::1]:1/", OK, NULL, NULL},
	{"", "", ALLOW_PRIVATE, "http://10.0.0.1:6379/", OK, NULL, NULL},
	{"", "", ALLOW_PRIVATE, "http://example.com:22/", OK, "8.8.8.8", OK},
	{"", "", ALLOW_PRIVATE, "http://x.svc/", OK, "192.0.2.1", OK},
	{"", "", ALLOW_PRIVATE, "http://169.254.169.254/", ADDRESS, NULL, NULL},
	{"", "", ALLOW_PRIVATE, "http://x.example/", OK, "fe80::1", ADDRESS},
	{"", "", ALLOW_PRIVATE, "http://[fd00:ec2::254]/", ADDRESS, NULL, NULL},
	{"", "", ALLOW_PRIVATE, "http://[2002:a9fe:a9fe::]/", ADDRESS, NULL, NULL},
	{"", "", ALLOW_PRIVATE, "http://[::ffff:10.0.0.1]/", ADDRESS, NULL, NULL},
	{"", "127.0.0.0/8", ALLOW_PRIVATE, "http://127.0.0.1:9000/", ADDRESS, NULL, NULL},
	{"", "localhost", ALLOW_PRIVATE, "http://localhost:9000/", HOST, NULL, NULL},
	{"169.254.169.254", "", ALLOW_PRIVATE, "http://169.254.169.254/", OK, NULL, NULL},
	/* public: false */
	{"", "", NOT_PUBLIC, "http://example.com/", HOST, "8.8.8.8", ADDRESS},
	{"", "", NOT_PUBLIC, "http://8.8.8.8/", ADDRESS, NULL, NULL},
	{"example.com", "", NOT_PUBLIC, "http://example.com/", OK, "8.8.8.8", OK},
	{"example.com", "", NOT_PUBLIC, "http://www.example.com/", HOST, NULL, NULL},
	{"8.8.8.0/24", "", NOT_PUBLIC, "http://8.8.8.8/", OK, NULL, NULL},
	{"8.8.8.0/24", "", NOT_PUBLIC, "http://example.com/", OK, "8.8.8.8", OK},
	{"8.8.8.0/24", "", NOT_PUBLIC, "http://example.com/", OK, "8.8.4.4", ADDRESS},
	{"", "", NOT_PUBLIC | ALLOW_PRIVATE, "http://10.0.0.1:9000/", OK, NULL, NULL},
	{"", "", NOT_PUBLIC | ALLOW_PRIVATE, "http://x.example/", OK, "8.8.8.8", ADDRESS},
	/* our own listener */
	{"127.0.0.0/8:8099", "", 0, "http://127.0.0.1:8099/", ADDRESS, NULL, NULL},
	{"127.0.0.1:8099", "", ALLOW_PRIVATE, "http://127.8.9.10:8099/", ADDRESS, NULL, NULL},
	{"[::1]:8099", "", 0, "http://[::1]:8099/", ADDRESS, NULL, NULL},
	{"", "", ALLOW_PRIVATE, "http://localhost:8099/", OK, "127.0.0.1", ADDRESS},
	{"", "", ALLOW_PRIVATE, "http://0.0.0.0:8099/", ADDRESS, NULL, NULL},
	{"", "", ALLOW_PRIVATE, "http://[::]:8099/", ADDRESS, NULL, NULL},
	{"[::ffff:127.0.0.1]:8099", "", 0, "http://[::ffff:127.0.0.1]:8099/", ADDRESS, NULL, NULL},
	{"", "", ALLOW_PRIVATE, "http://192.0.2.77:8099/", OK, NULL, NULL},
	{"", "", ALLOW_PRIVATE, "http://127.0.0.1:8098/", OK, NULL, NULL},
};

static struct url parsed(const char *text)
{
	struct url url = {0};
	bool nomem;

	ck_assert_int_eq(url_parse(span_of(text), (struct span){0}, &url, &nomem), REASON_NONE);
	return url;
}

START_TEST(allow_and_deny_mean_what_the_documentation_says)
{
	struct guard *guard = NULL;
	struct err err;
	struct url url = parsed(policies[_i].url);
	union url_address address;

	ck_assert_msg(make(policies[_i].allow, policies[_i].deny, policies[_i].flags, &guard,
			      &err) == ERR_OK,
		"%s", err.detail);
	ck_assert_str_eq(code_reason_text(guard_check_url(guard, &url)), policies[_i].verdict);
	if (policies[_i].address) {
		address = address_from(policies[_i].address);
		ck_assert_str_eq(code_reason_text(guard_check_address(guard, &url, &address.sa)),
			policies[_i].address_verdict);
	}
	url_free(&url);
	guard_unref(guard);
}
END_TEST

START_TEST(an_address_of_an_interface_is_denied_with_our_port_only)
{
	struct guard *guard = NULL;
	struct ifaddrs *list = NULL;
	struct url ours = parsed("http://x.example:8099/"),
		   other = parsed("http://x.example:8098/");
	unsigned count = 0;

	ck_assert_int_eq(
		make("[::/0]:8099, 0.0.0.0/0:8099", "", ALLOW_PRIVATE, &guard, NULL), ERR_OK);
	ck_assert_int_eq(getifaddrs(&list), 0);
	for (const struct ifaddrs *at = list; at; at = at->ifa_next) {
		if (!at->ifa_addr ||
			(at->ifa_addr->sa_family != AF_INET && at->ifa_addr->sa_family != AF_INET6))
			continue;
		count++;
		ck_assert_int_eq(
			guard_check_address(guard, &ours, at->ifa_addr), REASON_ADDRESS_DENIED);
		if (guard_classify(at->ifa_addr) != GUARD_LINK_LOCAL)
			ck_assert_int_eq(
				guard_check_address(guard, &other, at->ifa_addr), REASON_NONE);
	}
	ck_assert_uint_gt(count, 0);
	freeifaddrs(list);
	url_free(&ours);
	url_free(&other);
	guard_unref(guard);
}
END_TEST

START_TEST(an_unknown_family_is_never_connected_to)
{
	struct sockaddr_storage address = {.ss_family = AF_UNIX};
	struct guard *guard = NULL;
	struct url url = parsed("http://x.example/");

	ck_assert_int_eq(
		make("x.example, 0.0.0.0/0, [::/0]", "", ALLOW_PRIVATE, &guard, NULL), ERR_OK);
	ck_assert_int_eq(guard_check_address(guard, &url, (const struct sockaddr *)&address),
		REASON_ADDRESS_DENIED);
	url_free(&url);
	guard_unref(guard);
}
END_TEST

static const struct {
	const char *allow, *deny;
	unsigned flags;
	const char *url, *alias;
	bool denied;
} aliases[] = {
	{"", "", 0, "http://e.com/", "cdn.example", false},
	{"", "", 0, "http://e.com/", "localhost", true},
	{"", "", 0, "http://e.com/", "localhost.", true},
	{"", "", 0, "http://e.com/", "A.B.LOCALHOST", true},
	{"", "", 0, "http://e.com/", "x.svc.cluster.local", true},
	{"", "", 0, "http://e.com/", "", false},
	{"", "", ALLOW_PRIVATE, "http://e.com/", "localhost", false},
	{"localhost:9000", "", 0, "http://e.com/", "localhost", false},
	{"e.com", "", 0, "http://e.com/", "lb.internal", false},
	{"f.com", "", 0, "http://e.com/", "lb.internal", true},
	{"10.0.0.0/8", "", 0, "http://e.com/", "lb.internal", false},
	{"", "evil.example", 0, "http://e.com/", "evil.example", true},
	{"", "*.evil.example", 0, "http://e.com/", "a.EVIL.example", true},
	{"e.com", "lb.internal", 0, "http://e.com/", "lb.internal", true},
	{"", "evil.example:443", 0, "http://e.com/", "evil.example", false},
	{"", "evil.example:443", 0, "https://e.com/", "evil.example", true},
	{"", "evil.example", ALLOW_PRIVATE, "http://e.com/", "evil.example", true},
};

START_TEST(an_alias_is_judged_like_the_name_that_it_is)
{
	struct guard *guard = NULL;
	struct url url = parsed(aliases[_i].url);

	ck_assert_int_eq(
		make(aliases[_i].allow, aliases[_i].deny, aliases[_i].flags, &guard, NULL), ERR_OK);
	ck_assert_int_eq(guard_denies_alias(guard, &url, aliases[_i].alias), aliases[_i].denied);
	url_free(&url);
	guard_unref(guard);
}
END_TEST

START_TEST(an_entry_of_another_form_stops_the_start_and_is_named)
{
	static const char *const bad[] = {"*", "*.", "http://example.com", "example.com/",
		"example.com:0", "example.com:65536", "example.com:080", "example.com:*",
		"example.com:", ":80", "exam ple", "a..b", "example.com.", ".example.com",
		"*.*.example.com", "a.*.com", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1",
		"10.0.0.0/08", "10.0.0.1/8", "10.0.0/8", "0x7f.1", "127.1", "*.127.0.0.1", "[::1",
		"[::1]8080", "[::1]:", "[::1]:x", "[127.0.0.1]", "[]", "[::g]", "[fe80::1%lo]",
		"fd00::1/8", "[fd00::/129]", "[fd00::]/8", "::1:2:3:4:5:6:7:8", "user@example.com",
		"xn--", "10.0.0.0/8/9", "/8", "[/8]"};
	struct guard *guard = NULL;
	struct err err;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char entry[64];
		char *items[1] = {entry};
		struct config config = {.targets = {.allow = {.items = items, .count = 1}}};

		strcpy(entry, bad[i]);
		ck_assert_msg(
			guard_new(&config, 0, &guard, &err) == ERR_INVALID, "%s was taken", bad[i]);
		ck_assert_ptr_nonnull(strstr(err.detail, bad[i]));
		ck_assert_ptr_nonnull(strstr(err.detail, "targets.allow"));
		ck_assert_ptr_null(guard);
	}
	ck_assert_int_eq(make("", "10.0.0.1/8", 0, &guard, &err), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.detail, "targets.deny"));
}
END_TEST

START_TEST(every_malformed_entry_is_told_with_the_place_it_came_from)
{
	char good[] = "a.example", bad[] = "300.1.1.1/8", worse[] = "a..b",
	     place[] = "f.yaml:3: "
		       "targets.allow";
	char *allow[] = {good, bad, worse}, *deny[] = {worse};
	struct config config = {.targets = {.allow = {allow, 3}, .allow_place = place}};
	struct buf faults;

	buf_init(&faults, 4096);
	ck_assert_int_eq(guard_check_config(&config, &faults), ERR_INVALID);
	ck_assert_ptr_eq(
		strstr(faults.ptr, "f.yaml:3: targets.allow[1]: \"300.1.1.1/8\": "), faults.ptr);
	ck_assert_ptr_nonnull(strstr(faults.ptr, "\nf.yaml:3: targets.allow[2]: \"a..b\": "));
	buf_clear(&faults);
	config.targets.allow.count = 1;
	ck_assert_int_eq(guard_check_config(&config, &faults), ERR_OK);
	ck_assert_uint_eq(faults.len, 0);
	config.targets.deny = (struct config_strings){deny, 1};
	ck_assert_int_eq(guard_check_config(&config, &faults), ERR_INVALID);
	ck_assert_ptr_eq(strstr(faults.ptr, "targets.deny[0]: \"a..b\": "), faults.ptr);
	buf_free(&faults);
}
END_TEST

START_TEST(a_guard_lives_as_long_as_somebody_holds_it)
{
	struct guard *guard = NULL;
	struct url url = parsed("http://127.0.0.1/");

	ck_assert_int_eq(make("127.0.0.1", "", 0, &guard, NULL), ERR_OK);
	ck_assert_ptr_eq(guard_ref(guard), guard);
	guard_unref(guard);
	ck_assert_int_eq(guard_check_url(guard, &url), REASON_NONE);
	guard_unref(guard);
	guard_unref(NULL);
	url_free(&url);
}
END_TEST

START_TEST(no_memory_is_an_error_and_leaks_nothing)
{
	struct guard *guard = NULL;
	enum err_code code = ERR_NOMEM;

	for (unsigned long n = 1; code != ERR_OK; n++) {
		ck_assert_uint_lt(n, 20);
		mem_fail_at(n);
		code = make("a.example:80, 10.0.0.0/8", "b.example", 0, &guard, NULL);
		ck_assert_int_eq(code, mem_failed() ? ERR_NOMEM : ERR_OK);
	}
	mem_fail_at(0);
	guard_unref(guard);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool/guard");
	TCase *tcase = tcase_create("guard");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, each_block_of_addresses_has_its_class_to_the_last_address, 0,
		(int)(sizeof blocks / sizeof *blocks));
	tcase_add_test(tcase, an_unknown_family_is_special);
	tcase_add_loop_test(tcase, allow_and_deny_mean_what_the_documentation_says, 0,
		(int)(sizeof policies / sizeof *policies));
	tcase_add_test(tcase, an_address_of_an_interface_is_denied_with_our_port_only);
	tcase_add_test(tcase, an_unknown_family_is_never_connected_to);
	tcase_add_loop_test(tcase, an_alias_is_judged_like_the_name_that_it_is, 0,
		(int)(sizeof aliases / sizeof *aliases));
	tcase_add_test(tcase, an_entry_of_another_form_stops_the_start_and_is_named);
	tcase_add_test(tcase, every_malformed_entry_is_told_with_the_place_it_came_from);
	tcase_add_test(tcase, a_guard_lives_as_long_as_somebody_holds_it);
	tcase_add_test(tcase, no_memory_is_an_error_and_leaks_nothing);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
