/* digest.h - SHA-256, the one place that asks libcrypto for it. Pure; any thread. */
#ifndef COMMON_DIGEST_H
#define COMMON_DIGEST_H
#include <stddef.h>
#include <stdint.h>

enum { DIGEST_BYTES = 32, DIGEST_HEX_SIZE = 65 };

void digest_sha256(const void *bytes, size_t len, uint8_t ret_digest[DIGEST_BYTES]);
/* Lower case, terminated. */
void digest_hex(const uint8_t digest[DIGEST_BYTES], char ret_hex[DIGEST_HEX_SIZE]);
const char *digest_library_version(void); /* of libcrypto; static */
#endif
