/* address.c - what an IP address is, and networks to hold it against. Pure; any thread.
 *
 * The blocks are IANA's special-purpose registries, and the metadata services of the clouds. */
#include "pool/address.h"

#include <string.h>

struct block {
	uint8_t bytes[16];
	unsigned prefix;
	enum guard_class class;
};

/* The first that holds the address decides: metadata services stand before the blocks they lie in.
 */
static const struct block ip4_blocks[] = {
	{{169, 254, 169, 254}, 32, GUARD_METADATA}, /* most clouds */
	{{169, 254, 170, 2}, 32, GUARD_METADATA},   /* AWS ECS credentials */
	{{169, 254, 170, 23}, 32, GUARD_METADATA},  /* AWS EKS credentials */
	{{100, 100, 100, 200}, 32, GUARD_METADATA}, /* Alibaba */
	{{192, 0, 0, 192}, 32, GUARD_METADATA},     /* Oracle */
	{{168, 63, 129, 16}, 32, GUARD_METADATA},   /* Azure: a public range */
	{{169, 254}, 16, GUARD_LINK_LOCAL},         /* RFC 3927 */
	{{127}, 8, GUARD_LOOPBACK},                 /* RFC 1122 */
	{{10}, 8, GUARD_PRIVATE},                   /* RFC 1918 */
	{{172, 16}, 12, GUARD_PRIVATE},             /* RFC 1918 */
	{{192, 168}, 16, GUARD_PRIVATE},            /* RFC 1918 */
	{{100, 64}, 10, GUARD_PRIVATE},             /* RFC 6598, shared */
	{{0}, 8, GUARD_SPECIAL},             /* "this network"; 0.0.0.0 reaches this machine */
	{{192, 0, 0}, 24, GUARD_SPECIAL},    /* RFC 6890, protocol assignments */
	{{192, 0, 2}, 24, GUARD_SPECIAL},    /* RFC 5737, documentation */
	{{192, 31, 196}, 24, GUARD_SPECIAL}, /* RFC 7535, AS112 */
	{{192, 52, 193}, 24, GUARD_SPECIAL}, /* RFC 7450, AMT */
	{{192, 88, 99}, 24, GUARD_SPECIAL},  /* RFC 7526, 6to4 relays */
	{{192, 175, 48}, 24, GUARD_SPECIAL}, /* RFC 7534, AS112 */
	{{198, 18}, 15, GUARD_SPECIAL},      /* RFC 2544, benchmarks */
	{{198, 51, 100}, 24, GUARD_SPECIAL}, /* RFC 5737, documentation */
	{{203, 0, 113}, 24, GUARD_SPECIAL},  /* RFC 5737, documentation */
	{{224}, 4, GUARD_SPECIAL},           /* multicast */
	{{240}, 4, GUARD_SPECIAL},           /* reserved, and broadcast */
	{{0}, 0, GUARD_PUBLIC},
};

/* An allow-list: what no line names is SPECIAL, and only 2000::/3 less its special blocks is
 * PUBLIC. */
static const struct block ip6_blocks[] = {
	{{0xFD, 0x00, 0x0E, 0xC2}, 32,
		GUARD_METADATA}, /* AWS: ::254 metadata, ::23 credentials, ::253 DNS */
	{{0xFD, 0x20, 0, 0xCE, [14] = 0x02, 0x54}, 128, GUARD_METADATA},             /* Google */
	{{0xFD, 0x00, 0, 0x42, [15] = 0x42}, 128, GUARD_METADATA},                   /* Scaleway */
	{{0xFD, 0x00, 0, 0xC1, [12] = 0xA9, 0xFE, 0xA9, 0xFE}, 128, GUARD_METADATA}, /* Oracle */
	{{[15] = 1}, 128, GUARD_LOOPBACK},
	{{0xFE, 0x80}, 10, GUARD_LINK_LOCAL},
	{{0xFC}, 7, GUARD_PRIVATE},        /* RFC 4193 */
	{{0x20, 0x01}, 23, GUARD_SPECIAL}, /* RFC 2928: Teredo, benchmarks, ORCHID, DET, AMT */
	{{0x20, 0x01, 0x0D, 0xB8}, 32, GUARD_SPECIAL},       /* RFC 3849, documentation */
	{{0x20, 0x02}, 16, GUARD_SPECIAL},                   /* RFC 3056, 6to4 */
	{{0x26, 0x20, 0, 0x4F, 0x80, 0}, 48, GUARD_SPECIAL}, /* RFC 7534, AS112 */
	{{0x3F, 0xFF}, 20, GUARD_SPECIAL},                   /* RFC 9637, documentation */
	{{0x20}, 3, GUARD_PUBLIC},
	{{0}, 0, GUARD_SPECIAL},
};

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || (uint8_t)(a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

static enum guard_class look_up(const struct block *blocks, const uint8_t *bytes)
{
	while (!same_bits(blocks->bytes, bytes, blocks->prefix))
		blocks++;
	return blocks->class;
}

struct address address_of(const struct sockaddr *from)
{
	struct address address = {0};

	if (from->sa_family == AF_INET)
		memcpy(address.bytes, &((const struct sockaddr_in *)(const void *)from)->sin_addr,
			4);
	else if (from->sa_family == AF_INET6)
		memcpy(address.bytes, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr,
			16);
	else
		return address;
	address.family = from->sa_family;
	return address;
}

static struct address inner_ip4(const struct address *address, unsigned at)
{
	struct address inner = {.family = AF_INET};

	memcpy(inner.bytes, address->bytes + at, 4);
	return inner;
}

bool address_is_mapped(const struct address *address)
{
	static const uint8_t prefix[12] = {[10] = 0xFF, 0xFF};

	return address->family == AF_INET6 && memcmp(address->bytes, prefix, sizeof prefix) == 0;
}

struct address address_unmap(const struct address *address)
{
	return address_is_mapped(address) ? inner_ip4(address, 12) : *address;
}

/* IPv6 addresses that some translator or tunnel turns into an IPv4 one: where that one lies in
 * them. 0: none. */
static unsigned embedded_at(const uint8_t *bytes)
{
	static const struct {
		uint8_t bytes[16];
		unsigned prefix, at;
	} forms[] = {
		{{[10] = 0xFF, 0xFF}, 96, 12},            /* mapped */
		{{0}, 96, 12},                            /* compatible */
		{{[8] = 0xFF, 0xFF}, 96, 12},             /* translated (SIIT) */
		{{0x00, 0x64, 0xFF, 0x9B}, 96, 12},       /* NAT64 */
		{{0x00, 0x64, 0xFF, 0x9B, 0, 1}, 48, 12}, /* NAT64 of a site, as most lay it out */
		{{0x20, 0x02}, 16, 2},                    /* 6to4 */
	};

	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
		if (same_bits(forms[i].bytes, bytes, forms[i].prefix))
			return forms[i].at;
	/* ISATAP: …:0[02]00:5efe:a.b.c.d below any prefix */
	if ((bytes[8] == 0 || bytes[8] == 2) && bytes[9] == 0 && bytes[10] == 0x5E &&
		bytes[11] == 0xFE)
		return 12;
	return 0;
}

/* What leads to a metadata service or to a link-local address is one, however it is dressed up. */
static enum guard_class classify_embedded(const struct address *address, unsigned at)
{
	struct address inner = inner_ip4(address, at);
	enum guard_class class = look_up(ip4_blocks, inner.bytes);

	return class == GUARD_METADATA || class == GUARD_LINK_LOCAL ? class : GUARD_SPECIAL;
}

enum guard_class address_classify(const struct address *address)
{
	enum guard_class class;
	unsigned at;

	if (address->family == AF_INET)
		return look_up(ip4_blocks, address->bytes);
	if (address->family != AF_INET6)
		return GUARD_SPECIAL;
	class = look_up(ip6_blocks, address->bytes);
	if (class == GUARD_LOOPBACK || class == GUARD_METADATA || class == GUARD_LINK_LOCAL)
		return class; /* ::1 lies in ::/96 too */
	at = embedded_at(address->bytes);
	return at ? classify_embedded(address, at) : class;
}

bool address_is_here(const struct address *address)
{
	static const uint8_t zero[16];
	struct address inner = address_unmap(address);

	if (inner.family == AF_INET)
		return inner.bytes[0] == 127 || inner.bytes[0] == 0;
	return inner.family == AF_INET6 && memcmp(inner.bytes, zero, 15) == 0 &&
	       inner.bytes[15] <= 1;
}

bool address_same(const struct address *a, const struct address *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool address_in(const struct address *address, const struct network *network)
{
	return address->family == network->base.family &&
	       same_bits(address->bytes, network->base.bytes, network->prefix);
}

unsigned address_bits(const struct address *address)
{
	return address->family == AF_INET ? 32 : 128;
}
