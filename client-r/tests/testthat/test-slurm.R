# SPDX-License-Identifier: MIT
# Daemons as jobs of a resource manager: a real Slurm of one node, in a network of its own.

# Configurations of munge and Slurm in a folder; and a shell script that starts both, runs an R
# program beside them, and ends.
new_slurm <- function(program) {
  folder <- tempfile("slurm-")
  place <- function(...) file.path(folder, ...)
  for (name in c("", "state", "spool", "munge")) {
    dir.create(place(name), mode = "0700")
  }
  writeBin(as.raw(sample(0:255, 1024, TRUE)), place("munge", "key"))
  Sys.chmod(place("munge", "key"), "0600")
  node <- sub("\\..*", "", Sys.info()[["nodename"]])
  writeLines(c(
    "ClusterName=testing", sprintf("SlurmctldHost=%s(127.0.0.1)", node), "SlurmUser=root",
    "SlurmdUser=root", "AuthType=auth/munge", "CredType=cred/munge",
    paste0("AuthInfo=socket=", place("munge", "socket")),
    "ProctrackType=proctrack/linuxproc", "TaskPlugin=task/none", "MpiDefault=none",
    "SchedulerType=sched/builtin", "SelectType=select/cons_tres", "SelectTypeParameters=CR_CPU",
    "SlurmdParameters=config_overrides", "ReturnToService=2", "JobCompType=jobcomp/none",
    paste0("StateSaveLocation=", place("state")), paste0("SlurmdSpoolDir=", place("spool")),
    paste0("SlurmctldPidFile=", place("slurmctld.pid")),
    paste0("SlurmdPidFile=", place("slurmd.pid")),
    sprintf("NodeName=%s NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN", node),
    sprintf("PartitionName=all Nodes=%s Default=YES MaxTime=10 State=UP", node)
  ), place("slurm.conf"))
  munge <- sprintf("--%s=%s", c("socket", "key-file", "pid-file", "log-file", "seed-file"), c(
    place("munge", "socket"), place("munge", "key"), place("munge", "pid"), place("munge", "log"),
    place("munge", "seed")
  ))
  writeLines(c(
    paste("cd", folder), "ip link set lo up",
    "ip address add 192.0.2.1/32 dev lo", # with loopback addresses alone no name is resolved
    paste0("export SLURM_CONF=", place("slurm.conf")),
    "exec 2>daemons.log",
    paste("munged --foreground --force", paste(munge, collapse = " "), "&"),
    sprintf("until [ -S %s ]; do sleep 0.1; done", place("munge", "socket")),
    sprintf("slurmctld -D -f $SLURM_CONF -L %s &", place("slurmctld.log")),
    sprintf("slurmd -D -f $SLURM_CONF -L %s &", place("slurmd.log")),
    "for i in $(seq 300); do [ \"$(sinfo -h -o %T)\" = idle ] && break; sleep 0.1; done",
    sprintf("%s %s 2>&1", rscript(), r_file(program)),
    "echo over; tail -n 5 slurm-*.out slurmctld.log slurmd.log"
  ), place("run.sh"))
  place("run.sh")
}

test_that("cluster_config() submits jobs that become daemons, work, and leave", {
  needs_programs(
    "unshare", "ip", "munged", "slurmctld", "slurmd", "sbatch", "sinfo", "squeue", "scontrol"
  )
  skip_without_namespaces()
  state <- use_state()
  script <- new_slurm(bquote({
    remote <- cluster_config(
      options = "#SBATCH --job-name=daemons --time=5\nexport FROM_SCRIPT=yes",
      rscript = .(rscript())
    )
    daemons(2, url = local_url(tcp = TRUE), remote = remote)
    jobs <- everywhere(Sys.getenv(c("SLURM_JOB_ID", "SLURM_JOB_NAME", "FROM_SCRIPT")), .min = 2)[]
    jobs <- do.call(rbind, jobs)
    cat("jobs", length(unique(jobs[, 1])), "\n")
    cat("named", unique(jobs[, 2]), unique(jobs[, 3]), "\n")
    cat("sum", sum(mirai_map(1:100, function(i) i)[.flat]), "\n")
    daemons(0)
    running <- function() system2("squeue", "-h", stdout = TRUE)
    for (i in 1:200) if (length(running())) Sys.sleep(0.1)
    cat("left", length(running()), "\n")
    refused <- try(
      daemons(url = local_url(tcp = TRUE), remote = cluster_config(options = "#SBATCH -p none")),
      silent = TRUE
    )
    cat("refused", refused, daemons_set(), "\n")
  }))
  output <- start_program(
    "unshare",
    c("--net", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", script),
    r_environment(paste0("CROSSDOCK_STATE=", state), paste0("TMPDIR=", tempdir()))
  )
  expect_true(eventually(!is_alive(output$pid), 250))
  lines <- output_of(output)
  expect_true("jobs 2 " %in% lines, info = paste(utils::tail(lines, 50), collapse = "\n"))
  expect_true("named daemons yes " %in% lines)
  expect_true("sum 5050 " %in% lines)
  expect_true("left 0 " %in% lines)
  said <- paste(lines, collapse = "\n")
  expect_match(said, "refused .*the job was not accepted.*invalid partition.* FALSE \nover")
})
