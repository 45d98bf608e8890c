/* SPDX-License-Identifier: MIT */
/* CURVE for the floors: one server key and one client key for all, made before the first
 * fork. */
#ifndef CURVE_H
#define CURVE_H
#include "side.h"
#include <zmq.h>

static char curve_server_public[41], curve_server_secret[41], curve_own_public[41],
    curve_own_secret[41];

static inline void side_curve_keys(void)
{
    CHECK(zmq_curve_keypair(curve_server_public, curve_server_secret) == 0);
    CHECK(zmq_curve_keypair(curve_own_public, curve_own_secret) == 0);
}

static inline void side_curve(void *s, int server) /* before bind or connect */
{
    if (server) {
        int one = 1;
        CHECK(zmq_setsockopt(s, ZMQ_CURVE_SERVER, &one, sizeof one) == 0);
        CHECK(zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, curve_server_secret, 40) == 0);
    } else {
        CHECK(zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, curve_server_public, 40) == 0);
        CHECK(zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, curve_own_public, 40) == 0);
        CHECK(zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, curve_own_secret, 40) == 0);
    }
}
#endif
