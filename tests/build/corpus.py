"""Dockerfiles that two engines build to compare: name, text, files of the context, query."""
import io
import tarfile

from support.contexts import context

FILES = {"a": "A", "b": "B", "x.sh": ("#!/bin/sh\necho x\n", 0o755), "ro": ("r", 0o400), "d/": "", "d/one": "1", "d/two.txt": "2", "d/e/": ("", 0o700), "d/e/three.txt": "3",
         "empty/": "", "sp ace": "S", "q[1].txt": "Q", "g1.txt": "g", "g2.txt": "gg", "ab": "ab", "d/lnk": "->one", ".hidden": "H", "d/.dot": "D"}


def archive(compress=""):
    return context({"t/": ("", 0o750), "t/f": ("tar", 0o640), "t/l": "->f", "top": "top"}, compress)


ARCHIVES = {"p.tar": archive(), "p.tgz": archive("gz"), "p.tbz": archive("bz2"), "p.txz": archive("xz"), "plain.gz": b"\x1f\x8b" + b"not gzip at all", "fake.tar": "no archive"}

CASES = []


def case(name, text, files=None, **query):
    CASES.append((name, "FROM busybox\n" + text if not text.startswith(("FROM", "ARG", "#")) else text, {**FILES, **(files or {})}, query))


# --- COPY: where things go ---
for number, line in enumerate([
    "COPY a /f", "COPY a /dir/", "COPY a /etc", "COPY a /etc/", "COPY a /deep/er/f", "COPY d /d", "COPY d/ /d", "COPY d /d/", "COPY d /etc", "COPY d/e /e", "COPY empty /empty", "COPY a b /two/",
    "COPY d a /mix/", "COPY d d/e /both/", "COPY . /all", "COPY . /all/", "COPY ./a /f", "COPY /a /f", "COPY d/../a /f", "COPY d/one d/two.txt /etc/", "COPY *.txt /g/", "COPY g?.txt /g/", "COPY g[12].txt /g/",
    "COPY d/*.txt /g/", "COPY */*.txt /g/", "COPY d/e* /g/", "COPY [\"sp ace\", \"/s\"]", "COPY [\"sp ace\", \"a\", \"/s/\"]", "COPY q[[]1].txt /q", "COPY x.sh ro /m/", "COPY --chown=1:2 a d /o/",
    "COPY --chown=alice a /o", "COPY --chown=alice:staff d /o", "COPY --chown=alice:wheel a /new/dir/f", "COPY d/lnk /l", "COPY d/.dot .hidden /h/", "COPY a /bin/busybox-copy", "COPY a /www/index.html",
    "COPY --from=busybox /etc/passwd /p", "COPY --from=busybox /home /h", "COPY --from=busybox /bin/busybox /bb", "COPY --from=busybox /home/alice /keep",
]):
    case(f"copy-{number:02}", line + "\n")
case("copy-workdir", "WORKDIR /w/x\nCOPY a .\nCOPY b ./\nCOPY d sub\nCOPY a ../up\nCOPY a b more/\n")
case("copy-over-link", "RUN mkdir /real && ln -s /real /link && ln -s real /rel\nCOPY a /link/\nCOPY b /rel/\nCOPY d /link/d\n")
case("copy-over-file", "RUN echo old > /f && mkdir -p /d && echo keep > /d/keep && echo old > /d/one\nCOPY a /f\nCOPY d /d\n")
case("copy-env", "ENV SRC=a DST=/dst/\nARG NAME=f\nCOPY ${SRC} ${DST}${NAME}\nCOPY $SRC ${DST}\n")
case("copy-ignore", "COPY . /c/\n", {".dockerignore": "Dockerfile\n.dockerignore\n"})
case("copy-missing-directory-modes", "USER alice\nCOPY a /made/by/copy/f\nCOPY --chown=alice b /made2/f\n")

# --- ADD ---
for number, line in enumerate(["ADD a /f", "ADD d /d", "ADD p.tar /o/", "ADD p.tgz /o", "ADD p.tbz /o/", "ADD p.txz /o/", "ADD plain.gz /o/", "ADD fake.tar /o/", "ADD --chown=1:2 a /o/", "ADD p.tar a /o/",
                               "ADD p.tar /new/deep/", "ADD [\"sp ace\", \"/s\"]", "ADD g*.txt /g/", "COPY p.tar /o/", "ADD p.tar /etc/"]):
    case(f"add-{number:02}", line + "\n", ARCHIVES)

# --- variables ---
for number, form in enumerate(["$A", "${A}", "${A}x", "\"$A b\"", "'$A'", "\\$A", "${B:-d}", "${B:+d}", "${A:+d}", "${A:-d}", "a\\ b", "\"a\\\"b\"", "$A$A", "${E:-e}", "x${B}y", "\"  \"", "a=b", "\\\\", "\"\\n\""]):
    case(f"env-{number:02}", f"ENV A=va E=\nENV R={form}\n")
case("env-legacy", "ENV A the  \"value\" $HOME\nENV B   x\n")
case("env-old-value", "ENV A=1\nENV A=2 F=$A\nENV G=$A\n")
case("env-override", "ENV PATH=/x:$PATH\nENV A=1\nENV A=\n")
case("label-forms", "LABEL a=1 \"b c\"=\"d e\" f='g h' i=j\\ k\nLABEL m the rest of it\nLABEL a=2\nENV V=v\nLABEL \"$V\"=${V}x\n")
case("arg-default", "ARG A=one\nARG B\nENV R=$A-$B\nRUN echo \"$A,$B\" > /r\n")
case("arg-given", "ARG A=one\nARG B\nENV R=$A-$B\nRUN echo \"$A,$B\" > /r\n", buildargs={"A": "1", "B": "2"})
case("arg-empty", "ARG A=one\nENV R=$A\n", buildargs={"A": ""})
case("arg-global", "ARG TAG=latest\nARG G=g\nFROM busybox:${TAG}\nARG G\nARG TAG=own\nENV R=$G-$TAG\n")
case("arg-undeclared-global", "ARG G=g\nFROM busybox\nENV R=-$G-\n")
case("arg-and-env", "ARG A=arg\nENV A=env\nRUN echo $A > /r\n", buildargs={"A": "given"})
case("arg-uses-arg", "ARG A=x\nARG B=$A-y\nENV R=$B\n")
case("arg-multiple-stages", "FROM busybox AS one\nARG A=1\nRUN echo $A > /a\nFROM busybox\nARG A=2\nCOPY --from=one /a /a\nRUN echo $A > /b\n")

# --- metadata ---
for number, line in enumerate([
    "CMD echo hi", "CMD [\"echo\", \"hi\"]", "CMD []", "CMD   spaced   out  ", "ENTRYPOINT [\"/e\"]", "ENTRYPOINT echo x", "ENTRYPOINT []", "CMD [\"a\"]\nENTRYPOINT [\"b\"]", "ENTRYPOINT [\"b\"]\nCMD [\"a\"]",
    "EXPOSE 80", "EXPOSE 80/udp 90 8000-8002", "EXPOSE 80/UDP", "ENV P=81\nEXPOSE $P ${P}2/tcp", "VOLUME /v", "VOLUME [\"/v\", \"/w x\"]", "VOLUME /v /w", "ENV V=/vv\nVOLUME $V", "USER alice", "USER 12:34",
    "ENV U=alice\nUSER $U", "WORKDIR /a\nWORKDIR b\nWORKDIR ../c", "ENV W=/w\nWORKDIR $W/sub", "WORKDIR /etc/", "STOPSIGNAL SIGUSR1", "STOPSIGNAL 9", "SHELL [\"/bin/sh\", \"-ec\"]\nCMD x\nENTRYPOINT y",
    "HEALTHCHECK NONE", "HEALTHCHECK CMD true", "HEALTHCHECK --interval=5s --timeout=3s --start-period=1m --retries=2 CMD [\"x\", \"y\"]", "MAINTAINER Some One <a@b>", "ONBUILD RUN echo x", "ONBUILD COPY a /b\nONBUILD ENV Z=1",
    "LABEL a=b\nLABEL a=c d=e", "CMD [\"x\"]\nCMD [\"y\"]", "cmd [\"lower\"]", "CmD echo mixed",
]):
    case(f"meta-{number:02}", line + "\n")
case("meta-inherited", "FROM configured\nENV X=1\nLABEL own=1 shared=mine\nEXPOSE 81\nWORKDIR sub\n")
case("meta-inherited-entrypoint", "FROM configured\nENTRYPOINT [\"new\"]\n")
case("meta-inherited-cmd", "FROM configured\nCMD [\"new\"]\n")
case("meta-nothing", "FROM configured\n")

# --- RUN ---
for number, line in enumerate([
    "RUN echo x > /x", "RUN [\"/bin/sh\", \"-c\", \"echo $0 > /x\"]", "RUN echo a > /a && \\\n    # a comment\n    echo b > /b", "RUN mkdir -p /p/q && chmod 700 /p && touch /p/q/r", "RUN rm /etc/group", "RUN rm -r /www && mkdir /www",
    "RUN ln -s a /sym && echo h > /h1 && ln /h1 /h2", "RUN mknod /fifo p", "USER alice\nRUN id -u > /tmp/u && id -g > /tmp/g && echo $HOME > /tmp/h", "WORKDIR /tmp\nRUN pwd > here", "ENV A=1\nRUN echo $A > /a",
    "SHELL [\"/bin/sh\", \"-xec\"]\nRUN echo $- > /flags", "RUN true", "RUN chmod 4755 /bin/busybox || true; touch /t && chmod 1777 /t", "RUN chown alice:staff /www/index.html", "RUN touch -d '2001-02-03 04:05:06' /old",
    "RUN mv /www /web", "RUN echo \"quoted 'x' \\\"y\\\"\" > /q", "RUN echo $HOSTNAME | wc -c > /len", "RUN env | cut -d= -f1 | sort > /env", "RUN cat /proc/self/status | grep CapEff > /caps", "RUN mkdir /etc/hosts.d && echo x >> /etc/passwd",
    "VOLUME /v\nRUN echo lost > /v/x", "RUN exit 0 # comment", "RUN umask > /mask", "RUN ls -A / > /tmp/ls",
]):
    case(f"run-{number:02}", line + "\n")

# --- stages and triggers ---
case("stages-name", "FROM busybox AS Build\nRUN mkdir /out && echo 1 > /out/f && chown alice /out/f\nFROM busybox\nCOPY --from=build /out /out\n")
case("stages-number", "FROM busybox\nRUN echo 0 > /f\nFROM busybox\nCOPY --from=0 /f /g\n")
case("stages-chown", "FROM busybox AS s\nRUN echo 1 > /f && chown alice /f && chmod 600 /f\nFROM busybox\nCOPY --from=s --chown=nobody:nogroup /f /g\n")
case("stages-base", "FROM busybox AS base\nENV A=1\nRUN echo b > /b\nFROM base\nRUN cat /b > /c\n")
case("stages-target", "FROM busybox AS one\nENV ONE=1\nFROM busybox AS two\nENV TWO=1\n", target="one")
case("stages-scratch", "FROM busybox AS b\nFROM scratch\nCOPY --from=b /bin/busybox /bin/busybox\nCOPY --from=b /etc/passwd /etc/\nENTRYPOINT [\"/bin/busybox\"]\n")
case("stages-links", "FROM busybox AS b\nRUN mkdir /t && ln -s x /t/l && echo y > /t/x && ln /t/x /t/h && mkfifo /t/p\nFROM busybox\nCOPY --from=b /t /t\n")
case("scratch-files", "FROM scratch\nCOPY a /\nCOPY d /d/\n")
case("scratch-config", "FROM scratch\nENV A=1\nCMD [\"/x\"]\n")
case("labels-option", "ENV A=1\nLABEL x=1\n", labels={"x": "2", "y": "3"})
case("escape", "# escape=`\nFROM busybox\nRUN echo a `\n  b > /x\nENV P=c:\\x\n")
case("comments", "# one\n\nFROM busybox\n# two\nENV A=1 \\\n# three\n  B=2\n   # four\nENV C=3\n")
case("crlf", "FROM busybox\r\nENV A=1\r\nRUN echo x > /x\r\n")

# --- what must fail ---
for number, line in enumerate([
    "COPY nosuch /x", "COPY a b /x", "COPY no* /x", "COPY --chown=nouser a /x", "COPY --from=nosuchstage:x /a /b", "COPY a", "ADD nosuch /x", "RUN exit 7", "RUN [\"/no/such\"]", "RUN nosuch", "USER nouser\nRUN true", "ENV A",
    "ENV A=1 B", "STOPSIGNAL FOO", "EXPOSE abc", "SHELL bash", "ONBUILD ONBUILD RUN x", "ONBUILD FROM x", "HEALTHCHECK FOO", "HEALTHCHECK NONE x", "HEALTHCHECK --interval=1us CMD x", "FOO bar", "COPY --nope=1 a /b", "LABEL", "ARG",
    "WORKDIR", "VOLUME", "USER", "CMD [\"a\", 1]", "FROM busybox AS 1x", "FROM a b", "ENV R=${A:?needed}", "ENV R=${A:1}", "ENV R=${A", "COPY a /etc/passwd/x", "COPY d /www/index.html", "WORKDIR /etc/passwd",
]):
    case(f"fail-{number:02}", line + "\n")
case("fail-empty", "#\n")
case("fail-no-from", "# c\nRUN x\n")
case("fail-target", "ENV A=1\n", target="nope")
case("fail-base", "FROM $NOTHING\n")


def flatten(data):
    """The tree of a saved image: path to [type and mode, owner, link or content]."""
    import hashlib
    import json
    archive = tarfile.open(fileobj=io.BytesIO(data))
    tree = {}
    for layer in json.load(archive.extractfile("manifest.json"))[0]["Layers"]:
        entries = tarfile.open(fileobj=archive.extractfile(layer))
        fresh = {}
        for entry in entries:
            path = entry.name.strip("/")
            path = path[2:] if path.startswith("./") else path
            parent, _, name = path.rpartition("/")
            if name == ".wh..wh..opq":
                tree = {p: v for p, v in tree.items() if not p.startswith(parent + "/")}
            elif name.startswith(".wh."):
                gone = (parent + "/" if parent else "") + name[4:]
                tree = {p: v for p, v in tree.items() if p != gone and not p.startswith(gone + "/")}
            elif path not in ("", "."):
                kind = {tarfile.REGTYPE: "f", tarfile.AREGTYPE: "f", tarfile.DIRTYPE: "d", tarfile.SYMTYPE: "l", tarfile.LNKTYPE: "f", tarfile.FIFOTYPE: "p", tarfile.CHRTYPE: "c"}.get(entry.type, "?")
                if entry.type == tarfile.LNKTYPE:
                    fresh[path] = fresh.get(entry.linkname.strip("/")) or tree.get(entry.linkname.strip("/"))
                    continue
                content = entry.linkname if kind == "l" else hashlib.sha256(entries.extractfile(entry).read()).hexdigest()[:16] if kind == "f" else ""
                fresh[path] = [f"{kind}{entry.mode & 0o7777:o}", f"{entry.uid}:{entry.gid}", content]
        for path, value in fresh.items():
            if value and value[0][0] != "d":
                tree = {p: v for p, v in tree.items() if not p.startswith(path + "/")}
        tree.update(fresh)
    return tree


CONFIG = ["Env", "Cmd", "Entrypoint", "WorkingDir", "User", "ExposedPorts", "Volumes", "Labels", "OnBuild", "Shell", "StopSignal", "Healthcheck"]
# The runtime's own mount points, which one engine leaves in the first layer above scratch and the other does not.
LEFT_OUT = {"dev", "proc", "sys", "etc", ".dockerenv"}


def facts(api, built, base):
    """What of an outcome two engines must agree on."""
    if built.error or built.status != 200:
        return {"fails": (built.error or {}).get("code", 0)}
    inspected = api.get(f"/images/{built.id}/json").json()
    saved = api.get(f"/images/{built.id}/get")
    tree = flatten(saved.body) if inspected["RootFS"].get("Layers") else {}  # Docker 20.10 cannot save an image without layers
    changed = {path: value for path, value in tree.items() if base.get(path) != value}
    return {"config": {key: inspected["Config"].get(key) or None for key in CONFIG}, "author": inspected.get("Author") or "",
            "files": dict(sorted(changed.items())), "gone": sorted(set(base) - set(tree)) if any(path in tree for path in base) else []}
