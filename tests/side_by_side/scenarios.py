"""Short stories, told to both engines with the same unmodified client. Each: a name, and lines for a shell in which `docker` is the client,
$C a fresh container name, $I a fresh image name and $T a fresh directory. What is printed and every exit code is compared."""

RUN_FLAGS = [
    "-e A=1 -e B", "-w /tmp", "-u 1000", "-u 1000:2000", "-h box", "--read-only", "--privileged", "--init", "-m 64m", "--cpus 0.5", "--cpuset-cpus 0", "--pids-limit 20", "--cap-drop ALL", "--cap-add NET_ADMIN",
    "--tmpfs /scratch", "--shm-size 10m", "--ulimit nofile=100:200", "--sysctl net.ipv4.ip_forward=1", "--add-host h:10.9.8.7", "--dns 10.9.8.7 --dns-search x.y", "--entrypoint env", "--group-add 4242", "--label a=b",
    "--network none", "--network host", "--ipc host", "--pid host", "--uts host", "--security-opt no-new-privileges", "--oom-score-adj 100", "--stop-signal INT", "--device /dev/null:/dev/n", "--expose 99", "--log-driver none",
]
INSIDE = {
    "-e A=1 -e B": "env | sort | grep -v HOSTNAME", "-w /tmp": "pwd", "-h box": "hostname; cat /etc/hostname", "--read-only": "touch /x; echo $?", "--cap-drop ALL": "grep Cap /proc/self/status", "--cap-add NET_ADMIN": "grep CapEff /proc/self/status",
    "--tmpfs /scratch": "grep /scratch /proc/mounts", "--shm-size 10m": "df -k /dev/shm | tail -1 | cut -c1-40", "--ulimit nofile=100:200": "ulimit -n; ulimit -Hn", "--sysctl net.ipv4.ip_forward=1": "cat /proc/sys/net/ipv4/ip_forward",
    "--add-host h:10.9.8.7": "grep 10.9.8.7 /etc/hosts", "--dns 10.9.8.7 --dns-search x.y": "grep -v '^#' /etc/resolv.conf", "--oom-score-adj 100": "cat /proc/self/oom_score_adj", "--device /dev/null:/dev/n": "ls -l /dev/n | cut -c1-10",
    "--security-opt no-new-privileges": "grep NoNewPrivs /proc/self/status", "--network none": "ls /sys/class/net", "--init": "cat /proc/1/comm",
}
STORIES = []


def story(name, *lines):
    STORIES.append((name, "\n".join(lines)))


for flag in RUN_FLAGS:
    if flag == "--entrypoint env":
        story("run --entrypoint", "docker run --rm --entrypoint echo busybox word")
        continue
    story(f"run {flag}", f"docker run --rm {flag} busybox sh -c '{INSIDE.get(flag, 'id; echo ok')}'")
    story(f"create {flag}", f"docker create --name $C {flag} busybox true >/dev/null", "docker inspect -f '{{json .Config.Cmd}} {{json .Config.Env}} {{.Config.WorkingDir}} {{.Config.User}} {{json .Config.Labels}} {{.HostConfig.NetworkMode}} "
          "{{.HostConfig.Privileged}} {{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.ReadonlyRootfs}} {{json .HostConfig.CapAdd}} {{json .HostConfig.CapDrop}} {{json .HostConfig.Tmpfs}} {{json .HostConfig.Dns}}' $C")

for code in (0, 1, 7, 125, 126, 127, 128, 137, 255):
    story(f"exit {code}", f"docker run --name $C busybox sh -c 'exit {code}'", "docker inspect -f '{{.State.ExitCode}} {{.State.Status}} {{.State.Running}} {{.State.OOMKilled}} {{.State.Error}}' $C", "docker wait $C")
story("a missing program", "docker run --rm busybox nonsense")
story("a directory as program", "docker run --rm busybox /tmp")
story("a missing image", "docker run --rm --pull never nonsense:1")
story("a bad flag", "docker run --nonsense busybox")
story("no arguments", "docker run")
story("a bad name", "docker create --name _x busybox")
story("a name twice", "docker create --name $C busybox >/dev/null", "docker create --name $C busybox")
for signal in ("TERM", "KILL", "INT", "HUP", "USR1", "15", "SIGTERM"):
    story(f"kill {signal}", "docker run -d --name $C busybox sleep 100 >/dev/null", f"docker kill -s {signal} $C", "docker kill -s KILL $C >/dev/null 2>&1; docker wait $C >/dev/null; docker inspect -f '{{.State.Status}}' $C")
story("a bad signal", "docker run -d --name $C busybox sleep 100 >/dev/null", "docker kill -s NONSENSE $C")
for verb in ("start", "stop", "kill", "restart", "pause", "unpause", "rm", "logs", "top", "inspect", "port", "wait", "diff", "export", "attach", "stats --no-stream", "rename x", "update -m 64m", "exec x", "commit", "cp x:/a /tmp/b"):
    words = verb.split()
    call = {"rename": "docker rename nonsense other", "cp": "docker cp nonsense:/a /tmp/b", "update": "docker update -m 64m nonsense", "exec": "docker exec nonsense true", "stats": "docker stats --no-stream nonsense", "export": "docker export -o /dev/shm/x nonsense"}.get(words[0], f"docker {verb} nonsense")
    story(f"{words[0]} of nothing", call)
story("life", "docker create --name $C busybox sleep 100 >/dev/null", *(f"docker {verb} $C >/dev/null; echo $?; docker inspect -f '{{{{.State.Status}}}} {{{{.State.Running}}}} {{{{.State.Paused}}}} {{{{.State.ExitCode}}}}' $C"
      for verb in ("start", "start", "pause", "pause", "unpause", "unpause", "stop -t 0", "stop", "restart -t 0", "kill", "rm")))
story("rm of a running one", "docker run -d --name $C busybox sleep 100 >/dev/null", "docker rm $C | sed 's/container [0-9a-f]*/container X/'", "docker rm -f $C; docker rm -f $C")
story("rename", "docker create --name $C busybox >/dev/null", "docker rename $C ${C}b && docker inspect -f '{{.Name}}' ${C}b | sed s/$C/NAME/", "docker rename ${C}b ${C}b")
story("logs", "docker run --name $C busybox sh -c 'echo out; echo err >&2; seq 1 5'", "docker logs $C 2>&1 | sort", "docker logs --tail 2 $C 2>/dev/null", "docker logs --tail 0 $C", "docker logs --since 2100-01-01 $C", "docker logs -t $C 2>/dev/null | cut -d' ' -f2-")
story("exec", "docker run -d --name $C -e A=1 -w /tmp busybox sleep 100 >/dev/null", "docker exec $C sh -c 'echo $A; pwd'", "docker exec -e B=2 -w / $C sh -c 'echo $B; pwd'", "docker exec -u 7 $C id", "docker exec $C false; echo $?", "docker exec $C nonsense; echo $?",
      "echo in | docker exec -i $C cat", "docker exec -d $C true; echo $?")
story("exec in a stopped one", "docker create --name $C busybox >/dev/null", "docker exec $C true 2>&1 | sed 's/[0-9a-f]\\{64\\}/ID/'")
story("stdin", "echo words | docker run --rm -i busybox cat", "docker run --rm busybox cat </dev/null; echo $?")
story("ps", "docker run -d --name $C -l story=ps busybox sleep 100 >/dev/null", "docker ps --filter label=story=ps --format '{{.Image}} {{.Command}} {{.State}}'", "docker stop -t 0 $C >/dev/null", "docker ps -q --filter label=story=ps",
      "docker ps -a --filter label=story=ps --filter status=exited --format '{{.State}}'", "docker ps --filter nonsense=1; docker ps -a --filter status=nonsense")
story("ps columns", "docker ps | head -1 | tr -s ' '", "docker ps -s | head -1 | tr -s ' '", "docker images | head -1 | tr -s ' '", "docker stats --no-stream | head -1 | tr -s ' '")
story("inspect keys", "docker create --name $C busybox >/dev/null", "docker inspect $C | grep -o '^        \"[A-Za-z]*\"' | sort | grep -v -e Storage -e ImageManifest")
story("state keys", "docker create --name $C busybox >/dev/null", "docker inspect -f '{{json .State}}' $C | tr ',' '\\n' | cut -d: -f1 | tr -d '{' | sort")
story("diff", "docker run --name $C busybox sh -c 'echo x >/new; rm /etc/group; mkdir /d'", "docker diff $C | sort")
story("diff of nothing", "docker run --name $C busybox true", "docker diff $C")
story("commit", "docker run --name $C busybox sh -c 'echo x >/new'", "docker commit -a me -m message -c 'CMD [\"cat\", \"/new\"]' -c 'ENV Z=1' $C $I >/dev/null", "docker run --rm $I", "docker inspect -f '{{.Author}} {{.Comment}} {{json .Config.Cmd}} {{json .Config.Env}}' $I",
      "docker history --format '{{.Comment}} {{.CreatedBy}}' $I | head -1", "docker rmi $I >/dev/null; echo $?")
for change in ("CMD a b", "ENTRYPOINT [\"x\"]", "ENV A=1 B=2", "LABEL a=b", "EXPOSE 1 2/udp", "USER u", "WORKDIR /w", "VOLUME /v", "ONBUILD RUN x", "HEALTHCHECK CMD x", "RUN x", "ENV", "NONSENSE x"):
    story(f"commit -c {change}", "docker create --name $C busybox >/dev/null", f"docker commit -c '{change}' $C $I >/dev/null && docker inspect -f '{{{{json .Config.Cmd}}}} {{{{json .Config.Entrypoint}}}} {{{{json .Config.Env}}}} {{{{json .Config.Labels}}}} {{{{json .Config.ExposedPorts}}}} "
          "{{.Config.User}} {{.Config.WorkingDir}} {{json .Config.Volumes}} {{json .Config.OnBuild}}' $I")
story("cp out", "docker run --name $C busybox sh -c 'mkdir -p /d/e; echo 1 >/d/f; ln -s f /d/l'", "docker cp $C:/d/f $T/a && cat $T/a", "docker cp $C:/d $T && find $T/d | sort | sed \"s,$T,,\"", "docker cp $C:/d/. $T/x; ls $T/x", "docker cp $C:/d/l $T/l; readlink $T/l", "docker cp -L $C:/d/l $T/m; cat $T/m",
      "docker cp $C:/nope $T", "docker cp $C:/d/f - | tar t")
story("cp in", "mkdir $T/s; echo 1 >$T/s/f", "docker run -d --name $C busybox sleep 100 >/dev/null", "docker cp $T/s/f $C:/a; docker exec $C cat /a", "docker cp $T/s $C:/b; docker exec $C ls /b", "docker cp $T/s $C:/b; docker exec $C ls /b", "docker cp $T/s/. $C:/c; docker exec $C ls /c",
      "docker cp $T/s $C:/etc/passwd 2>&1 | tail -1", "docker cp $T/s/f $C:/no/such/; docker cp $T/nope $C:/ 2>&1 | sed \"s,$T,T,\"", "tar c -C $T s | docker cp - $C:/tmp; docker exec $C ls /tmp")
story("cp into read-only", "docker create --name $C --read-only busybox >/dev/null", "echo 1 >$T/f; docker cp $T/f $C:/f")
story("export", "docker run --name $C busybox sh -c 'echo x >/new'", "docker export $C | tar t | grep -c -e '^new$' -e '^bin/sh$'", "docker export $C | tar t | grep -e '^etc/hosts' -e '^.dockerenv' -e '^proc' -e '^dev/console'")
story("health", "docker run -d --name $C --health-cmd 'echo fine' --health-interval 200ms busybox sleep 100 >/dev/null", "docker inspect -f '{{.State.Health.Status}}' $C", "sleep 1; docker inspect -f '{{.State.Health.Status}} {{.State.Health.FailingStreak}} {{(index .State.Health.Log 0).Output}}' $C",
      "docker stop -t 0 $C >/dev/null; docker inspect -f '{{.State.Health.Status}}' $C")
story("ill health", "docker run -d --name $C --health-cmd false --health-interval 200ms --health-retries 2 busybox sleep 100 >/dev/null", "sleep 1.2; docker inspect -f '{{.State.Health.Status}} {{(index .State.Health.Log 0).ExitCode}}' $C")
story("restart policy", "docker run -d --name $C --restart on-failure:2 busybox false >/dev/null", "sleep 2; docker inspect -f '{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}' $C")
story("restart and rm", "docker run --rm --restart always busybox true")
story("update", "docker run -d --name $C busybox sleep 100 >/dev/null", "docker update -m 64m --memory-swap 64m $C | sed s/$C/NAME/; docker inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}' $C", "docker update --restart always $C | sed s/$C/NAME/; docker inspect -f '{{.HostConfig.RestartPolicy.Name}}' $C",
      "docker update -m 1m $C")
for text in ("-m 1m", "--memory-swap 1m", "--cpus 1000", "--cpu-period 1", "--oom-score-adj 5000", "--shm-size x", "--ulimit x=1", "--restart nonsense", "--pid nonsense", "--ipc container:nonsense", "--network container:nonsense", "-p 99999:1", "--cap-add NONSENSE", "-w rel", "--device /dev/nonsense",
             "--runtime nonsense", "--log-driver nonsense", "--log-opt zz=1", "--security-opt nonsense", "--platform linux/s390x --pull never", "--health-interval 1us --health-cmd x", "-v /", "--tmpfs rel", "--add-host nonsense", "--stop-signal NONSENSE", "--cpuset-cpus 999", "--storage-opt size=1g", "--gpus all"):
    story(f"refused {text}", f"docker run --rm {text} busybox true >/dev/null 2>$T/err; echo $?")
story("events", "docker run --name $C busybox true", "docker events --since 0 --until $(date +%s) --filter container=$C --format '{{.Action}}'")
story("top", "docker run -d --name $C busybox sleep 123 >/dev/null", "docker top $C | head -1 | tr -s ' '; docker top $C -o pid,args | tail -1 | sed 's/^ *[0-9]* //'")
story("port", "docker run -d --name $C -p 127.0.0.1:18080:80 busybox sleep 100 >/dev/null", "docker port $C; docker port $C 80; docker port $C 81")
story("prune", "docker create --name $C -l p=$C busybox >/dev/null", "docker container prune -f --filter label=p=$C | tail -1 | cut -d: -f1; docker ps -aq --filter label=p=$C", "docker container prune -f --filter nonsense=1")
story("wait for two", "docker run -d --name $C busybox sh -c 'exit 3' >/dev/null; docker run -d --name ${C}b busybox sh -c 'exit 4' >/dev/null", "docker wait $C ${C}b")
story("oom", "docker run --name $C -m 16m --memory-swap 16m busybox tail /dev/zero; echo $?", "docker inspect -f '{{.State.OOMKilled}}' $C")
story("attach to a stopped one", "docker create --name $C busybox >/dev/null", "docker attach $C")
story("image lists", "docker images --format '{{.Repository}}:{{.Tag}}' busybox; docker image inspect nonsense; docker rmi nonsense")
story("tag", "docker tag busybox $I:1 && docker images --format '{{.Tag}}' $I; docker rmi $I:1 >/dev/null; echo $?; docker tag nonsense x; docker tag busybox UPPER")
story("volume bind", "echo 1 >$T/f; docker run --rm -v $T:/t busybox cat /t/f; docker run --rm -v $T:/t:ro busybox touch /t/g; docker run --rm --mount type=bind,source=$T,target=/t,readonly busybox ls /t; docker run --rm --mount type=bind,source=/nonsense,target=/t busybox true 2>/dev/null; echo $?")

# Where Proa differs from 20.10, and why that is right.
NEWER = "Docker 26 and later say it so"
DIFFERENT = {
    "run --privileged": "on a machine without all capabilities the reference cannot start one, Proa gives what there is",
    "create --tmpfs /scratch": NEWER + ": `bridge` for `default`",
    "run --dns 10.9.8.7 --dns-search x.y": NEWER + ": nameserver first",
    "a missing program": NEWER,
    "a directory as program": NEWER + ", and the kernel's own reason",
    "a bad signal": NEWER,
    "kill of nothing": NEWER,
    "rm of a running one": NEWER,
    "logs": "the client mixes both outputs in the order in which they arrive",
    "exec": NEWER + ": 127 for a program that is not there",
    "exec in a stopped one": NEWER,
    "ps": NEWER,
    "prune": NEWER,
    "image lists": NEWER,
    "refused -v /": "both refuse; the exit code follows from words that the client looks for",
}
