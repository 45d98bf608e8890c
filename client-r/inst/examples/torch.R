# SPDX-License-Identifier: MIT
# A torch model is made by a daemon, its parameters go to another task.
# What a line of `#>` shows is printed by the program, but for the random numbers.

library(crossdock)
library(torch)
cfg <- serial_config(
  class = "torch_tensor",
  sfunc = torch::torch_serialize,
  ufunc = torch::torch_load
)
daemons(1, serial = cfg)
everywhere(library(torch))

# A convolutional neural network, initialized by the daemon:
model <- nn_module(
  initialize = function(in_size, out_size) {
    self$conv1 <- nn_conv2d(in_size, out_size, 5)
    self$conv2 <- nn_conv2d(in_size, out_size, 5)
  },
  forward = function(x) {
    x <- self$conv1(x)
    x <- nnf_relu(x)
    x <- self$conv2(x)
    x <- nnf_relu(x)
    x
  }
)
params <- list(in_size = 1, out_size = 20)
m <- mirai(do.call(model, params), model = model, params = params)
m[]
#> An `nn_module` containing 1,040 parameters.
#>
#> ── Modules ─────────────────────────────────────────────────────────────────────────────────
#> • conv1: <nn_conv2d> #520 parameters
#> • conv2: <nn_conv2d> #520 parameters

# The model that came back contains many tensors:
m$data$parameters$conv1.weight
#> torch_tensor
#> (1,1,.,.) =
#> -0.1218 0.1835 -0.1114 -0.1365 -0.1824
#> 0.1107 -0.0498 -0.1219 -0.0938 -0.1570
#> -0.1944 0.0355 0.1750 -0.1612 -0.1590
#> -0.0806 -0.1906 -0.0272 -0.1732 -0.0491
#> -0.0079 -0.0874 -0.1256 0.1276 0.0664
#>
#> (2,1,.,.) =
#> -0.1450 -0.0371 0.0601 -0.1578 0.0918
#> 0.1118 -0.0800 0.0359 0.0452 0.1182
#> 0.0516 0.0109 0.0186 0.1399 -0.1431
#> 0.1720 -0.0919 0.0616 0.0937 0.1511
#> -0.0270 0.0936 0.1510 0.1995 0.1934
#>
#> (3,1,.,.) =
#> 0.1055 0.0056 0.0491 -0.0096 0.0655
#> 0.1950 0.0676 0.0254 0.0834 -0.0401
#> 0.1658 0.1767 -0.0338 0.1644 0.1806
#> -0.0346 -0.1521 0.0490 0.1153 0.0755
#> -0.0832 0.0074 -0.0607 0.1704 0.1454
#>
#> (4,1,.,.) =
#> 0.1091 0.1982 0.1185 0.1655 0.1716
#> 0.1987 -0.0517 -0.0115 -0.0641 0.0294
#> 0.0078 -0.0942 -0.1629 -0.1114 -0.0833
#> 0.0395 -0.0101 0.0837 0.1523 0.0673
#> -0.0984 0.0988 -0.1154 0.0453 -0.1577
#>
#> (5,1,.,.) =
#> 0.0630 -0.0820 -0.1399 0.0528 -0.0896
#> ... [the output was truncated (use n=-1 to disable)]
#> [ CPUFloatType{20,1,5,5} ][ requires_grad = TRUE ]

# Its parameters go to an optimizer, also made by the daemon:
optim <- mirai(optim_rmsprop(params = params), params = m$data$parameters)
optim[]
#> <optim_rmsprop>
#> Inherits from: <torch_optimizer>
#> Public:
#> add_param_group: function (param_group)
#> clone: function (deep = FALSE)
#> defaults: list
#> initialize: function (params, lr = 0.01, alpha = 0.99, eps = 1e-08, weight_decay = 0,
#> load_state_dict: function (state_dict, ..., .refer_to_state_dict = FALSE)
#> param_groups: list
#> state: State, R6
#> state_dict: function ()
#> step: function (closure = NULL)
#> zero_grad: function (set_to_none = FALSE)
#> Private:
#> deep_clone: function (name, value)
#> step_helper: function (closure, loop_fun)
daemons(0)
