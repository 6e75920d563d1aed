/* servant.c - a helper process's side of its socket: frames in, answers out, one after the other.
 */
#include "pool/servant.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

enum {
	READ_BYTES = 64 * 1024,
	KEPT_BYTES = 1024 * 1024 /* a buffer that grew larger is given back */
};

void servant_init(struct servant *servant, int fd)
{
	servant->fd = fd;
	servant->at = 0;
	buf_init(&servant->in, (size_t)HELPER_FRAME_MAX + READ_BYTES);
}

void servant_free(struct servant *servant)
{
	buf_free(&servant->in);
}

static bool send_all(const struct servant *servant, struct iovec *parts, size_t count)
{
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};

	while (message.msg_iovlen > 0) {
		ssize_t sent = sendmsg(servant->fd, &message, MSG_NOSIGNAL);
		size_t left;

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return false;
		for (left = (size_t)sent; message.msg_iovlen > 0; message.msg_iovlen--) {
			struct iovec *part = message.msg_iov;

			if (left < part->iov_len) {
				part->iov_base = (char *)part->iov_base + left;
				part->iov_len -= left;
				break;
			}
			left -= part->iov_len;
			message.msg_iov++;
		}
	}
	return true;
}

static bool say(const struct servant *servant, enum helper_kind kind, uint64_t id, struct span head,
	struct span text)
{
	struct helper_frame frame = {(uint32_t)(head.len + text.len), kind, id};
	struct iovec parts[3] = {{&frame, sizeof frame}, {(void *)(uintptr_t)head.ptr, head.len},
		{(void *)(uintptr_t)text.ptr, text.len}};

	return send_all(servant, parts, 3);
}

bool servant_ready(struct servant *servant, const char *remarks)
{
	return say(servant, HELPER_READY, 0, (struct span){NULL, 0}, span_of(remarks));
}

bool servant_answer(struct servant *servant, uint64_t id, struct span head, struct span text)
{
	return say(servant, HELPER_ANSWER, id, head, text);
}

bool servant_leave(struct servant *servant)
{
	return say(servant, HELPER_LEAVE, 0, (struct span){NULL, 0}, (struct span){NULL, 0});
}

bool servant_idle(const struct servant *servant)
{
	struct pollfd watched = {.fd = servant->fd, .events = POLLIN};

	return servant->at == servant->in.len && poll(&watched, 1, 0) == 0;
}

/* Reads until `need` bytes lie there unused. */
static bool fill(struct servant *servant, size_t need)
{
	struct buf *in = &servant->in;

	while (in->len - servant->at < need) {
		ssize_t got;

		if (buf_reserve(in, need > READ_BYTES ? need : READ_BYTES) != ERR_OK)
			return false;
		got = recv(servant->fd, in->ptr + in->len, in->capacity - in->len - 1, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		in->len += (size_t)got;
	}
	return true;
}

static void drop_used(struct servant *servant)
{
	struct buf *in = &servant->in;

	if (servant->at == 0)
		return;
	if (servant->at == in->len && in->capacity > KEPT_BYTES) {
		buf_free(in);
	} else {
		memmove(in->ptr, in->ptr + servant->at, in->len - servant->at);
		in->len -= servant->at;
	}
	servant->at = 0;
}

bool servant_next(struct servant *servant, struct helper_frame *ret_frame, struct span *ret_bytes)
{
	drop_used(servant);
	if (!fill(servant, sizeof *ret_frame))
		return false;
	memcpy(ret_frame, servant->in.ptr, sizeof *ret_frame);
	if (ret_frame->len > HELPER_FRAME_MAX || !fill(servant, sizeof *ret_frame + ret_frame->len))
		return false;
	*ret_bytes = (struct span){servant->in.ptr + sizeof *ret_frame, ret_frame->len};
	servant->at = sizeof *ret_frame + ret_frame->len;
	return true;
}
