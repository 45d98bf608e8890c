"""The sides and the cells they are measured in. crossdock works over ipc, so the C cells' reference is the floor over
ipc; NATS, beanstalkd and gearmand have tcp on 127.0.0.1 only (README.md)."""
import os

R = "Rscript r_side.R "
NETNS = "unshare -n sh -c 'ip link set lo up && exec \"$@\"' - " if os.geteuid() == 0 else ""
# R's own socket clusters listen on every interface for a moment: they run in a network namespace of their own.
SIDES = {
    "crossdock": "bin/crossdock_side",
    "crossdock_curve": "env TRANSPORT=tcp bin/crossdock_side",
    "crossdock_embedded": "env TRANSPORT=embedded bin/crossdock_side",
    "zmq_curve": "bin/zmq_floor curve",
    "zmq_curve_credit256": "env CREDIT=256 bin/zmq_floor curve",
    "stream_ipc": "bin/stream_floor ipc",
    "stream_curve": "bin/stream_floor curve",
    "zmq_ipc": "bin/zmq_floor ipc",
    "zmq_tcp": "bin/zmq_floor tcp",
    "zmq_ipc_credit16": "env CREDIT=16 bin/zmq_floor ipc",
    "zmq_tcp_credit16": "env CREDIT=16 bin/zmq_floor tcp",
    "zmq_ipc_credit256": "env CREDIT=256 bin/zmq_floor ipc",
    "zmq_tcp_credit256": "env CREDIT=256 bin/zmq_floor tcp",
    "zmq_ipc_shortest": "env ORDER=shortest bin/zmq_floor ipc",
    "zmq_direct_ipc": "bin/zmq_floor direct-ipc",
    "zmq_direct_tcp": "bin/zmq_floor direct-tcp",
    "nats": "bin/nats_side",
    "beanstalkd": "bin/beanstalk_side",
    "gearmand": "bin/gearman_side",
    "dask": os.environ.get("DASK_PYTHON", "python3") + " dask_side.py",
    "crossdock_r": R + "crossdock",
    "crossdock_direct": R + "crossdock_direct",
    "crossdock_map": R + "crossdock_map",
    "crossdock_tcp": R + "crossdock_tcp",
    "mirai": R + "mirai",
    "mirai_direct": R + "mirai_direct",
    "mirai_tcp": R + "mirai_tcp",
    "mirai_map": R + "mirai_map",
    "clustermq": R + "clustermq",
    "clustermq_chunk": R + "clustermq_chunk",
    "future_ms": NETNS + R + "future_ms",
    "future_ms_fast": NETNS + R + "future_ms_fast",
    "future_mirai": R + "future_mirai",
    "future_mirai_fast": R + "future_mirai_fast",
    "crew": R + "crew",
}

ZMQ = ["zmq_ipc", "zmq_tcp"]
CREDIT = ["zmq_ipc_credit16", "zmq_tcp_credit16", "zmq_ipc_credit256", "zmq_tcp_credit256"]
DIRECT = ["zmq_direct_ipc", "zmq_direct_tcp"]
MIRAI = ["crossdock_r", "crossdock_direct", "mirai", "mirai_direct", "mirai_tcp"]
MB = 1000000

# name -> (workload, workers, n, size, reference side, sides, n of a slower side)
CELLS = {}
for w in (1, 2, 4):
    CELLS[f"A-c-{w}w"] = ("A", w, 200000, 0, "zmq_ipc_credit256", ["crossdock"] + ZMQ + CREDIT + ["nats", "beanstalkd", "gearmand"]
                          + (DIRECT if w == 1 else []), {})
    CELLS[f"A-r-{w}w"] = ("A", w, 10000, 0, "mirai", MIRAI + ["crossdock_map", "mirai_map", "clustermq", "clustermq_chunk", "future_ms",
                          "future_ms_fast", "future_mirai", "future_mirai_fast", "crew", "dask"],
                          {"future_ms": 100, "future_ms_fast": 400, "future_mirai": 60, "future_mirai_fast": 1000, "crew": 3000, "dask": 3000})
CELLS["B-c"] = ("B", 1, 20000, 0, "zmq_ipc", ["crossdock"] + ZMQ + DIRECT + ["nats", "beanstalkd", "gearmand"], {})
CELLS["B-r"] = ("B", 1, 2000, 0, "mirai", MIRAI + ["clustermq", "future_ms", "future_mirai", "crew", "dask"],
                {"future_ms": 100, "future_mirai": 200, "crew": 500, "dask": 200})
CELLS["C-c-1MB"] = ("C", 1, 200, MB, "zmq_ipc", ["crossdock"] + ZMQ + DIRECT + ["nats", "beanstalkd"], {})
CELLS["C-c-100MB"] = ("C", 1, 5, 100 * MB, "zmq_ipc", ["crossdock"] + ZMQ + DIRECT + ["beanstalkd"], {})
for kind, wl in (("raw", "C"), ("dbl", "Cd")):
    CELLS[f"C-r-1MB-{kind}"] = (wl, 1, 200, MB, "mirai", MIRAI + ["clustermq", "future_ms", "future_mirai"], {})
    CELLS[f"C-r-100MB-{kind}"] = (wl, 1, 5, 100 * MB, "mirai", ["crossdock_tcp"] + MIRAI + ["clustermq", "future_ms", "future_mirai"], {})
CELLS["D-c"] = ("D", 4, 2000, 0, "zmq_ipc", ["crossdock", "crossdock_embedded", "zmq_ipc_shortest"] + ZMQ + ["zmq_tcp_credit16", "nats", "beanstalkd"], {})
CELLS["D-r"] = ("D", 4, 2000, 0, "mirai", ["crossdock_r", "crossdock_direct", "mirai", "mirai_direct", "future_mirai_fast", "dask"], {})
CELLS["D0-r"] = ("D0", 4, 2000, 0, "mirai", ["crossdock_r", "crossdock_direct", "mirai", "mirai_direct", "clustermq", "clustermq_chunk", "future_mirai_fast"], {})
for k in (100, 1000):
    CELLS[f"E-{k}"] = ("E", 2, 20000, k, "zmq_ipc", ["crossdock", "zmq_ipc", "zmq_tcp", "zmq_tcp_credit16", "nats"], {})
CELLS["F-1e5"] = ("F", 1, 100000, 1000, "zmq_ipc", ["crossdock", "zmq_ipc", "zmq_tcp", "beanstalkd", "gearmand", "mirai"], {})
CELLS["F-r-1e5"] = ("F", 1, 100000, 1000, "mirai", ["crossdock_r", "mirai"], {})
CELLS["G-r"] = ("G", 1, 20, 0, "mirai", ["crossdock_r", "crossdock_direct", "mirai", "mirai_direct"], {})
CELLS["F-1e6"] = ("F", 1, 1000000, 1000, "zmq_ipc", ["crossdock", "zmq_ipc", "zmq_tcp", "beanstalkd", "mirai"], {})

# Over tcp with CURVE ("k"), against the floor with CURVE; and plain ipc beside them.
for w in (1, 4):
    CELLS[f"A-k-{w}w"] = ("A", w, 200000, 0, "zmq_curve_credit256", ["crossdock_curve", "zmq_curve", "zmq_curve_credit256", "crossdock",
                          "zmq_ipc_credit256"], {})
CELLS["B-k"] = ("B", 1, 20000, 0, "zmq_curve", ["crossdock_curve", "zmq_curve", "crossdock", "zmq_ipc"], {})
CELLS["C-k-100MB"] = ("C", 1, 5, 100 * MB, "stream_curve", ["crossdock_curve", "stream_curve", "zmq_curve", "crossdock", "stream_ipc"], {})
# Throughput by the size of a payload; curve.R draws it.
for size in (100, 1000, 10000, 65536, 262144, MB, 4 * MB, 16 * MB, 100 * MB, 1000 * MB):
    many = max(3, min(4000, 300 * MB // size))
    CELLS[f"S-c-{size}"] = ("C", 1, many, size, "stream_ipc", ["crossdock", "stream_ipc", "zmq_ipc"], {})
    CELLS[f"S-k-{size}"] = ("C", 1, many, size, "stream_curve", ["crossdock_curve", "stream_curve", "zmq_curve"], {})
# A small task at a time while one payload of that size goes to another worker.
for name, size in (("512MB", 512 * MB), ("4GB", 4000 * MB)):
    CELLS[f"P-c-{name}"] = ("P", 1, 1000000, size, "crossdock", ["crossdock", "crossdock_curve"], {})
