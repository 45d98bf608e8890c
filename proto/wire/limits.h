/* SPDX-License-Identifier: MIT */
/* Every limit of the protocol, with its unit and reason. */
#ifndef XD_WIRE_LIMITS_H
#define XD_WIRE_LIMITS_H

#define XD_PROTOCOL_VERSION 1u

/* Nobody needs more to describe 1,024 frames. */
#define XD_ENVELOPE_MAX_BYTES ((size_t)64 * 1024)
/* What unpacking one envelope may allocate inside protobuf-c. */
#define XD_UNPACK_BUDGET_BYTES ((size_t)256 * 1024)
/* Payloads of one message together; larger ones go as chunks. */
#define XD_MESSAGE_MAX_BYTES ((size_t)1024 * 1024)
/* ZMQ_MAXMSGSIZE, of each frame. */
#define XD_FRAME_MAX_BYTES (XD_MESSAGE_MAX_BYTES + (size_t)64 * 1024)
/* Frames of a message, with the envelope. */
#define XD_FRAMES_MAX 1024u
/* Tasks, results or ids in one message. */
#define XD_TASKS_MAX 256u
#define XD_CHUNK_BYTES ((size_t)1024 * 1024)
/* Chunks on the way from a payload's owner to its reader. */
#define XD_CHUNK_WINDOW 8u
/* Profile, callee, class tag, argument, event kind. */
#define XD_NAME_MAX_BYTES 255u
/* What a HELLO says of its host: labels, and versions of programs and codecs. */
#define XD_LABELS_MAX 32u
#define XD_VERSIONS_MAX 16u
#define XD_VERSION_MAX_BYTES 64u
/* An error's sentence. */
#define XD_TEXT_MAX_BYTES 4096u
/* In one READY. */
#define XD_HANDLERS_MAX 256u
/* Payloads of one setup together: it goes to every worker, ahead of small tasks. */
#define XD_SETUP_MAX_BYTES ((size_t)768 * 1024)
/* Setups of one session that are not dropped. */
#define XD_SETUPS_MAX 256u
/* Tasks ahead at one worker. */
#define XD_HOLD_MAX 255u
/* Smaller frames are copied out of libzmq's receive arena, of which each would keep 8 KiB
 * alive. */
#define XD_COPY_BELOW_BYTES ((size_t)8 * 1024)

#define XD_HEARTBEAT_MS 1000u
#define XD_SUSPECT_MS 1500u
#define XD_LOST_MS 3000u
#define XD_KILL_AFTER_MS                                                                 \
    3000u /* from the interrupt of a running task to the end of its process */

#endif
