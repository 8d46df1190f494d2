#!/usr/bin/env bash
# A SLURM of two nodes on this machine, one of them with two GPUs that are none: slurm.sh start|stop FOLDER.
# Installs Debian's packages where they are missing. Exit status 77, with the reason, where it cannot be had.
set -euo pipefail
action=$1 folder=$2
mark="# alignment-anatomy: a cluster for tests"
configuration=/etc/slurm/slurm.conf # SLURM_CONF would not do: the executor strips it before its inner srun

unavailable() { echo "no SLURM here: $*"; exit 77; }

stop() {
  # Daemons by the ids they wrote down, jobs first: their steps outlive slurmd.
  timeout 20 scancel --user="$(id -un)" >/dev/null 2>&1 || true
  for file in "$folder"/slurmd.*.pid "$folder"/slurmctld.pid "$folder"/munged.pid; do
    [ -f "$file" ] && kill "$(cat "$file")" 2>/dev/null || true
  done
  for _ in $(seq 40); do # slurmctld saves its state first
    pid=$(cat "$folder/slurmctld.pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null || break
    sleep 0.25
  done
  [ -f $configuration ] && grep -q "$mark" $configuration && rm -f $configuration /etc/slurm/gres.conf
  return 0
}

install_packages() {
  command -v slurmctld >/dev/null && command -v slurmd >/dev/null && command -v munged >/dev/null && return
  command -v apt-get >/dev/null || unavailable "no slurmctld, slurmd and munged, and no apt-get to install them"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends slurm-wlm munge; } >"$folder/apt.log" 2>&1 ||
    unavailable "apt-get cannot install slurm-wlm and munge ($(tail -n 1 "$folder/apt.log"))"
}

start() {
  [ "$(id -u)" = 0 ] || unavailable "its daemons need root"
  [ ! -f $configuration ] || grep -q "$mark" $configuration || unavailable "this machine has a SLURM of its own"
  mkdir -p "$folder"/{state,log,spool/cpu01,spool/gpu01}
  install_packages

  if ! munge -n >/dev/null 2>&1; then
    install -d -o munge -g munge -m 755 /run/munge
    runuser -u munge -- munged --force
    cp /run/munge/munged.pid "$folder/munged.pid"
  fi

  cat >$configuration <<END
$mark
ClusterName=tests
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.%n.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,bf_interval=1
ReturnToService=2
MpiDefault=none
MinJobAge=600
GresTypes=gpu
# Nodes larger than the machine: memory and cores are counted, not enforced.
SlurmdParameters=config_overrides
NodeName=cpu01 NodeHostname=localhost NodeAddr=127.0.0.1 Port=6821 CPUs=4 RealMemory=12000
NodeName=gpu01 NodeHostname=localhost NodeAddr=127.0.0.1 Port=6822 CPUs=4 RealMemory=12000 Gres=gpu:h200:2
PartitionName=cpu Nodes=cpu01 Default=YES MaxTime=600
PartitionName=gpu Nodes=gpu01 MaxTime=600
END
  # Two device files that exist and differ; SLURM drops GPUs without one.
  cat >/etc/slurm/gres.conf <<END
NodeName=gpu01 Name=gpu Type=h200 File=/dev/zero
NodeName=gpu01 Name=gpu Type=h200 File=/dev/full
END

  slurmctld -c
  slurmd -N cpu01
  slurmd -N gpu01
  for _ in $(seq 60); do
    [ "$(sinfo -h -N -o %T 2>/dev/null | sort -u)" = idle ] && return
    sleep 0.5
  done
  tail -n 20 "$folder"/log/*.log
  echo "the nodes did not become idle"
  exit 1
}

case $action in
start) start ;;
stop) stop ;;
esac
