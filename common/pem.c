/* pem.c - are these PEM files what they are named for? The one place that asks libcrypto for it. */
#include "common/pem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

static const char *cannot_read(int number)
{
	switch (number) {
	case ENOENT:
	case ENOTDIR:
		return "cannot be read: No such file or directory";
	case EACCES:
	case EPERM:
		return "cannot be read: Permission denied";
	default:
		return "cannot be read";
	}
}

/* Regular files only: a FIFO would stop the program here. */
static const char *open_file(const char *path, BIO **ret_bio)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat facts;
	FILE *file;

	if (fd < 0)
		return cannot_read(errno);
	if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode)) {
		close(fd);
		return "is no file";
	}
	file = fdopen(fd, "r");
	if (!file) {
		close(fd);
		return cannot_read(errno);
	}
	*ret_bio = BIO_new_fp(file, BIO_CLOSE);
	if (*ret_bio)
		return NULL;
	fclose(file);
	return "cannot be read: no memory";
}

/* Without it libcrypto would ask at the terminal. */
static int no_passphrase(char *to, int size, int writing, void *encrypted)
{
	(void)to;
	(void)size;
	(void)writing;
	*(bool *)encrypted = true;
	return 0;
}

static const char *read_certificate(const char *path, X509 **ret_certificate)
{
	bool encrypted = false;
	BIO *bio = NULL;
	const char *problem = open_file(path, &bio);

	if (problem)
		return problem;
	*ret_certificate = PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, &encrypted);
	BIO_free(bio);
	ERR_clear_error();
	return *ret_certificate ? NULL : "holds no certificate in PEM form";
}

static const char *read_key(const char *path, EVP_PKEY **ret_key)
{
	bool encrypted = false;
	BIO *bio = NULL;
	const char *problem = open_file(path, &bio);

	if (problem)
		return problem;
	*ret_key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &encrypted);
	BIO_free(bio);
	ERR_clear_error();
	if (*ret_key)
		return NULL;
	return encrypted ? "is encrypted; write the key without a passphrase, readable by this "
			   "user alone"
			 : "holds no private key in PEM form";
}

const char *pem_check_certificate(const char *path)
{
	X509 *certificate = NULL;
	const char *problem = read_certificate(path, &certificate);

	X509_free(certificate);
	return problem;
}

const char *pem_check_key(const char *path)
{
	EVP_PKEY *key = NULL;
	const char *problem = read_key(path, &key);

	EVP_PKEY_free(key);
	return problem;
}

const char *pem_check_pair(const char *certificate_path, const char *key_path)
{
	X509 *certificate = NULL;
	EVP_PKEY *key = NULL;
	const char *problem = read_certificate(certificate_path, &certificate);

	if (!problem)
		problem = read_key(key_path, &key);
	if (!problem && X509_check_private_key(certificate, key) != 1)
		problem = "is the key of another certificate";
	X509_free(certificate);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return problem;
}
