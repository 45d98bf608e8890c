/* SPDX-License-Identifier: MIT */
/* Codecs: how an object of a class becomes the bytes of a class-tagged frame, and back.
 */
#ifndef CROSSDOCK_CODEC_H
#define CROSSDOCK_CODEC_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/err.h"
#include "crossdock.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A registry belongs to whoever made it; there is no global one. Thread safe. */
struct xd_registry;

struct xd_codec {
    const char *tag; /* class tag; copied */
    /* Encode `object` (borrowed) into one reference in *out. Called in the caller's
     * thread. */
    enum xd_err (*encode)(void *context,
                          const void *object,
                          struct xd_bytes **out,
                          struct xd_error *error);
    /* Decode; *out is the caller's until it calls release. May keep references of
     * `bytes`. */
    enum xd_err (*decode)(void *context,
                          struct xd_bytes *bytes,
                          void **out,
                          struct xd_error *error);
    void (*release)(void *context, void *object);
    void *context;
    uint32_t version; /* of its encoding; other versions of it have other bytes */
};

/* With the built-in codecs: "raw" (objects are struct xd_bytes) and "text" (objects are
 * char *, valid UTF-8, ended by NUL). Errors: XD_ERR_NOMEM. */
enum xd_err xd_registry_new(struct xd_registry **out) XD_MUST_USE;
void xd_registry_free(struct xd_registry *registry);

/* Add, or replace the one of the same tag and version. A class may have codecs for
 * several versions of its encoding: the newest one encodes, each decodes its own, and
 * their objects are the same to xd_release(), which is the newest one's. Errors:
 * XD_ERR_INVALID (tag, missing function), XD_ERR_NOMEM. */
enum xd_err xd_registry_add(struct xd_registry *registry,
                            const struct xd_codec *codec,
                            struct xd_error *error) XD_MUST_USE;

/* Errors: XD_ERR_NO_CODEC (`error` names the tag; or, decoding, the version it was
 * encoded with and the newest that is known here), XD_ERR_CODEC (the codec's own failure;
 * `error` names tag, side and reason), XD_ERR_NOMEM. */
enum xd_err xd_encode(struct xd_registry *registry,
                      const char *tag,
                      const void *object,
                      struct xd_bytes **out,
                      struct xd_error *error) XD_MUST_USE;

/* The same, as a payload for xd_submit() or xd_job_finish(), with the codec's version;
 * its `bytes` are the caller's to release, and `tag` is borrowed. */
enum xd_err xd_encode_payload(struct xd_registry *registry,
                              const char *tag,
                              const void *object,
                              struct xd_payload *out,
                              struct xd_error *error) XD_MUST_USE;
enum xd_err xd_decode(struct xd_registry *registry,
                      const struct xd_frame *frame,
                      void **out,
                      struct xd_error *error) XD_MUST_USE;

/* Release an object that xd_decode() gave for this tag. NULL object allowed. */
void xd_release(struct xd_registry *registry, const char *tag, void *object);

#ifdef __cplusplus
}
#endif

#endif
