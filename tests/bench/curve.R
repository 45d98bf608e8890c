# SPDX-License-Identifier: MIT
# Draws throughput.png from out/results.csv: GB/s (both directions added) by the size of a payload, the median of the
# rounds with the lowest and highest, of the cells S-c (ipc) and S-k (tcp with CURVE).
#   Rscript curve.R
rows <- read.csv("out/results.csv")
rows <- rows[grepl("^S-[ck]-", rows$cell) & rows$metric == "gb_per_s", ]
if (!nrow(rows)) stop("no S- cells in out/results.csv; run: python3 bench.py run --cells S-")
rows$value <- as.numeric(rows$value)
rows$size <- as.numeric(sub("^S-[ck]-", "", rows$cell))
by_size <- aggregate(value ~ side + size, rows, \(v) c(median(v), min(v), max(v)))
look <- data.frame(
  side = c("crossdock", "stream_ipc", "zmq_ipc", "crossdock_curve", "stream_curve", "zmq_curve"),
  words = c("crossdock, ipc", "floor in chunks, ipc", "floor in one frame, ipc", "crossdock, CURVE",
            "floor in chunks, CURVE", "floor in one frame, CURVE"),
  colour = rep(c("#1b6ca8", "#c0392b"), each = 3),
  line = rep(c(1, 2, 3), 2),
  point = rep(c(16, 1, 4), 2)
)
look <- look[look$side %in% by_size$side, ]
png("throughput.png", width = 1200, height = 750, res = 130)
par(mar = c(4, 4.5, 1, 1), las = 1)
plot(NULL, log = "xy", xlim = range(by_size$size), ylim = range(by_size$value), xaxt = "n",
     xlab = "bytes of the payload, each way", ylab = "")
title(ylab = "GB/s, both directions", line = 3.5)
at <- 10^(2:9)
axis(1, at, c("100", "1 k", "10 k", "100 k", "1 M", "10 M", "100 M", "1 G"))
abline(v = 65536, col = "grey85")
for (i in seq_len(nrow(look))) {
  one <- by_size[by_size$side == look$side[i], ]
  arrows(one$size, one$value[, 2], one$size, one$value[, 3], length = 0.02, angle = 90, code = 3,
         col = look$colour[i])
  lines(one$size, one$value[, 1], type = "b", col = look$colour[i], lty = look$line[i],
        pch = look$point[i])
}
legend("bottomright", look$words, col = look$colour, lty = look$line, pch = look$point, bty = "n")
invisible(dev.off())
