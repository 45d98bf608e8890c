# SPDX-License-Identifier: MIT
# A Shiny app: what a task tells while it runs, a bar that fills and lines as they are printed.
#   Rscript progress.R      then open the address that it says; Ctrl-C ends it
if (!nzchar(system.file(package = "shiny"))) {
  stop("this example needs another package: install.packages(\"shiny\")", call. = FALSE)
}

library(crossdock)
library(shiny)

ui <- fluidPage(
  h3("A long task"),
  p("The time is ", textOutput("time", inline = TRUE)),
  actionButton("start", "Start"),
  uiOutput("bar"),
  verbatimTextOutput("lines"),
  textOutput("result")
)

server <- function(input, output, session) {
  id <- session$token
  daemons(1, .compute = id, .wait = FALSE)
  session$onEnded(function() daemons(0, .compute = id))

  part <- reactiveVal(0)
  lines <- reactiveVal("")

  task <- ExtendedTask$new(function() {
    part(0)
    lines("")
    m <- mirai(
      {
        for (i in 1:20) {
          Sys.sleep(0.1)
          cat("step", i, "\n")
          crossdock::progress(i / 20)
        }
        "all done"
      },
      .compute = id
    )
    on_event(
      m,
      progress = function(value) part(value),
      stdout = function(text) lines(paste0(isolate(lines()), text))
    )
    m
  })
  observeEvent(input$start, task$invoke())

  output$time <- renderText({
    invalidateLater(1000)
    format(Sys.time(), "%H:%M:%S")
  })
  output$bar <- renderUI(tags$progress(id = "progress", max = 1, value = part()))
  output$lines <- renderText(lines())
  output$result <- renderText(task$result())
}

shinyApp(ui, server)
