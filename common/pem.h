/* pem.h - are these PEM files what they are named for? The one place that asks libcrypto for it.
 *
 * Who uses the files reads them again; this is asked before anything runs, so that a wrong one is
 * told with its line of the configuration. Any thread; opens only regular files. */
#ifndef COMMON_PEM_H
#define COMMON_PEM_H
#include <stdbool.h>

/* NULL, or what is wrong, to stand behind the file's name: "cannot be read: No such file or
 * directory". */
const char *pem_check_certificate(const char *path); /* holds one, or several */
const char *pem_check_key(const char *path); /* not encrypted: nobody is there to be asked */
const char *pem_check_pair(const char *certificate_path, const char *key_path);
#endif
