/* digest.c - SHA-256, the one place that asks libcrypto for it. */
#define OPENSSL_API_COMPAT \
	10100 /* SHA256_Init and its kin allocate nothing and cannot fail; EVP can do both */
#include "common/digest.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

void digest_sha256(const void *bytes, size_t len, uint8_t ret_digest[DIGEST_BYTES])
{
	SHA256_CTX context;

	SHA256_Init(&context);
	SHA256_Update(&context, bytes, len);
	SHA256_Final(ret_digest, &context);
	OPENSSL_cleanse(&context, sizeof context);
}

void digest_hex(const uint8_t digest[DIGEST_BYTES], char ret_hex[DIGEST_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < DIGEST_BYTES; i++) {
		*ret_hex++ = digits[digest[i] >> 4];
		*ret_hex++ = digits[digest[i] & 15];
	}
	*ret_hex = '\0';
}

const char *digest_library_version(void)
{
	return OpenSSL_version(OPENSSL_VERSION_STRING);
}
