# SPDX-License-Identifier: MIT
# Ready serial configurations for packages whose objects R cannot serialize. Nothing is loaded
# until an object of such a class is met.

# What `serial = "auto"` means: what is registered, then these.
auto_serial <- function() {
  config <- serial_config(
    c(
      "RecordBatch", "ArrowTabular", "nanoarrow_array_stream", "torch_tensor",
      "polars_data_frame"
    ),
    list(arrow_bytes, arrow_bytes, stream_bytes, tensor_bytes, polars_bytes),
    list(batch_of, table_of, stream_of, tensor_of, polars_of)
  )
  registered <- registered_serial()
  if (!length(registered)) {
    return(config)
  }
  both <- Map(c, registered, config)
  lapply(unname(both), `[`, !duplicated(both[[1L]]))
}

arrow_bytes <- function(x) arrow::write_to_raw(x)
table_of <- function(bytes) arrow::read_ipc_stream(bytes, as_data_frame = FALSE)
batch_of <- function(bytes) arrow::RecordBatchStreamReader$create(bytes)$read_next_batch()

stream_bytes <- function(x) {
  connection <- rawConnection(raw(), "wb")
  on.exit(close(connection))
  nanoarrow::write_nanoarrow(x, connection)
  rawConnectionValue(connection)
}
stream_of <- function(bytes) nanoarrow::read_nanoarrow(bytes)

tensor_bytes <- function(x) torch::torch_serialize(x)
tensor_of <- function(bytes) torch::torch_load(bytes)

polars_bytes <- function(x) x$serialize()
polars_of <- function(bytes) getExportedValue("polars", "pl")$deserialize_df(bytes)
