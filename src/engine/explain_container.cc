#include "engine/explain_container.h"

#include <elf.h>
#include <signal.h>

#include <algorithm>
#include <cstring>
#include <deque>

#include "cgroup/group.h"
#include "codec/tar.h"
#include "container/log_reader.h"
#include "engine/container_archive.h"
#include "engine/container_cgroup.h"
#include "engine/log_drivers.h"
#include "engine/start_container.h"
#include "schema/oci/image.h"

namespace proa::engine {

namespace {

using container::ContainerPointer;
using container::Record;

constexpr size_t kLines = 10;

struct Finding {
    std::string cause;  ///< one word for programs: "oom", "signal", "not-executable" ...
    std::string text;   ///< for people
    std::vector<std::string> evidence;
    std::string fix;
};

/// The first bytes of a file of the container; NotFound when it is not there.
Result<std::string> first_bytes(Parts& parts, const ContainerPointer& container, const std::string& path) {
    constexpr size_t kEnough = 64 << 10;
    codec::StringSink tar;
    auto begin = [](const archive::PathStat& stat) -> Result<void> {
        if (stat.mode >> 31 & 1) return fail(ErrorKind::InvalidArgument, "is a directory", EISDIR);
        return {};
    };
    codec::FunctionSink limited([&](std::string_view bytes) -> Result<void> {
        TRY(tar.write(bytes));
        return tar.text.size() < kEnough ? Result<void>() : fail(ErrorKind::Cancelled, "enough");
    });
    std::string current = path;
    for (int links = 0; links < 10; links++) {
        tar.text.clear();
        std::string target;
        auto note = [&](const archive::PathStat& stat) -> Result<void> {
            target = stat.link_target;
            return begin(stat);
        };
        auto done = read_container_path(parts, container, container->id(), current, note, limited);
        if (!done && !done.error().is(ErrorKind::Cancelled)) return fail(std::move(done).error());
        if (target.empty()) break;
        current = target;
    }
    codec::MemorySource source(tar.text);
    codec::TarReader reader(source);
    if (!TRY(reader.next())) return std::string();
    std::string bytes;
    for (;;) {
        auto piece = reader.stored();
        if (!piece || piece->empty() || bytes.size() > 4096) return bytes;
        bytes += *piece;
    }
}

std::string machine_name(uint16_t machine) {
    switch (machine) {
        case EM_X86_64: return "amd64";
        case EM_386: return "386";
        case EM_AARCH64: return "arm64";
        case EM_ARM: return "arm";
        case EM_RISCV: return "riscv64";
        case EM_PPC64: return "ppc64le";
        case EM_S390: return "s390x";
        default: return concat("machine ", machine);
    }
}

/// The loader that a program of 64 bits names, "" when it is static or no such program.
std::string loader_of(const std::string& bytes) {
    Elf64_Ehdr head;
    if (bytes.size() < sizeof head) return "";
    memcpy(&head, bytes.data(), sizeof head);
    for (int i = 0; i < head.e_phnum; i++) {
        Elf64_Phdr part;
        size_t at = head.e_phoff + static_cast<size_t>(i) * head.e_phentsize;
        if (at + sizeof part > bytes.size()) return "";
        memcpy(&part, bytes.data() + at, sizeof part);
        if (part.p_type != PT_INTERP || part.p_offset + part.p_filesz > bytes.size() || part.p_filesz == 0) continue;
        return bytes.substr(part.p_offset, part.p_filesz - 1);
    }
    return "";
}

bool exists(Parts& parts, const ContainerPointer& container, const std::string& path) { return stat_container_path(parts, container, container->id(), path).has_value(); }

Finding explain_script(Parts& parts, const ContainerPointer& container, const std::string& path, const std::string& bytes) {
    std::string line = bytes.substr(2, bytes.find('\n') == std::string::npos ? std::string::npos : bytes.find('\n') - 2);
    if (line.ends_with('\r'))
        return {"crlf", concat(path, " is a script with Windows line ends: the kernel looks for an interpreter called ", quote(trim_prefix(line, " "))),
                {concat("first line: ", quote("#!" + line))}, concat("convert it: sed -i 's/\\r$//' ", path)};
    auto words = split_fields(line);
    if (!words.empty() && !exists(parts, container, words[0]))
        return {"missing-interpreter", concat(path, " wants the interpreter ", words[0], ", which is not in the image"), {concat("first line: #!", line)},
                concat("install ", words[0], " in the image or name one that is there")};
    return {};
}

Finding explain_elf(Parts& parts, const ContainerPointer& container, const std::string& path, const std::string& bytes) {
    uint16_t machine = 0;
    memcpy(&machine, bytes.data() + 18, sizeof machine);
    std::string built_for = machine_name(machine), host = oci::Platform::host().architecture;
    if (built_for != host && !(host == "amd64" && built_for == "386"))
        return {"wrong-architecture", concat(path, " is built for ", built_for, ", this host is ", host), {concat("ELF machine: ", built_for)}, concat("use an image for linux/", host)};
    std::string loader = loader_of(bytes);
    if (!loader.empty() && !exists(parts, container, loader))
        return {"missing-loader", concat(path, " is there, but the dynamic loader that it names is not: ", loader), {concat("loader: ", loader)},
                loader.find("musl") != std::string::npos ? "it was built for musl (Alpine): use such an image or link it statically" : "it was built for glibc: use such an image (not Alpine) or link it statically"};
    return {};
}

/// What is wrong with the program that could not be executed.
Finding explain_program(Parts& parts, const ContainerPointer& container, const Record& record) {
    std::string path = record.path;
    if (path.find('/') == std::string::npos)
        return {"not-found", concat("there is no program ", quote(path), " in the $PATH of the container"), {}, "check its name, and that the image has it: a shell's own words (cd, source) are no programs"};
    if (!path.starts_with('/')) path = concat(record.config.working_dir.empty() ? "/" : record.config.working_dir, '/', path);
    auto stat = stat_container_path(parts, container, container->id(), path);
    if (!stat) return {"not-found", concat(path, " is not in the container"), {}, "check the path, and what is mounted over it"};
    auto bytes = first_bytes(parts, container, path);
    if (!bytes && bytes.error().number() == EISDIR) return {"directory", concat(path, " is a directory"), {}, "name a program in it"};
    if (bytes && bytes->starts_with("#!"))
        if (auto found = explain_script(parts, container, path, *bytes); !found.cause.empty()) return found;
    if (bytes && bytes->starts_with(ELFMAG) && bytes->size() > 20)
        if (auto found = explain_elf(parts, container, path, *bytes); !found.cause.empty()) return found;
    if (!(stat->mode & 0111) && stat->link_target.empty()) return {"not-executable", concat(path, " has no execute permission"), {}, concat("chmod +x ", path, " in the image")};
    if (bytes && bytes->empty()) return {"empty", concat(path, " is empty"), {}, "copy the program again"};
    if (bytes && !bytes->starts_with("#!") && !bytes->starts_with(ELFMAG))
        return {"no-format", concat(path, " is neither a program nor a script with a first line that names its interpreter"), {concat("it begins with ", quote(bytes->substr(0, 20)))}, "begin it with #!/bin/sh"};
    return {};
}

std::string signal_name(int64_t number) {
    const char* name = sigabbrev_np(static_cast<int>(number));
    return name ? concat("SIG", std::string_view(name)) : concat("signal ", number);
}

Finding explain_end(Parts& parts, const ContainerPointer& container, const Record& record) {
    auto& state = record.state;
    if (state.oom_killed) {
        int64_t limit = record.host_config.resources.memory;
        return {"oom", limit > 0 ? concat("the kernel killed it: it needed more memory than its limit of ", limit >> 20, " MiB") : "the kernel killed it: the host had no memory left",
                {concat("exit code ", state.exit_code), concat("memory limit ", limit, " bytes")}, limit > 0 ? "give it more with --memory, or find out what it keeps" : "set a --memory limit, so that the kernel chooses well"};
    }
    if (!state.error.empty()) {
        if (state.exit_code == 126 || state.exit_code == 127 || state.error.find("exec ") != std::string::npos || state.error.find("exec: ") != std::string::npos)
            if (auto found = explain_program(parts, container, record); !found.cause.empty()) {
                found.evidence.push_back(state.error);
                return found;
            }
        return {"start-failed", "it could not be started", {state.error}, ""};
    }
    if (state.exit_code > 128 && state.exit_code <= 128 + 64) {
        int64_t number = state.exit_code - 128;
        std::string by = record.manually_stopped ? "as a client asked for (stop or kill)" : "sent by a process inside or by another one on this host, not by this engine";
        std::string fix;
        if (number == SIGSEGV || number == SIGABRT || number == SIGBUS || number == SIGILL) by = "a fault of the program itself", fix = "look at its last lines; a core dump tells more";
        if (number == SIGKILL && record.manually_stopped) fix = "when that came from stop, it did not end in time after the stop signal: handle it, or use --init";
        return {"signal", concat("it was ended by ", signal_name(number), ", ", by), {concat("exit code ", state.exit_code)}, fix};
    }
    if (state.exit_code == 0) return {"exited", record.manually_stopped ? "it was stopped and ended by itself, without an error" : "its program ended by itself, without an error", {}, ""};
    if (state.exit_code == 127) return {"exited", "its program ended with 127: a shell in it did not find a command", {}, "see the last lines"};
    if (state.exit_code == 126) return {"exited", "its program ended with 126: a shell in it could not execute a command", {}, "see the last lines"};
    return {"exited", concat("its program ended by itself with exit code ", state.exit_code), {}, "see the last lines"};
}

Finding explain(Parts& parts, const ContainerPointer& container, const Record& record) {
    auto& state = record.state;
    if (state.paused) return {"paused", "it runs, but is paused", {}, "unpause it"};
    if (state.restarting) {
        auto found = explain_end(parts, container, record);
        found.text = concat("it waits for its next restart (", record.restart_count, " so far); last time ", found.text);
        return found;
    }
    if (state.running) {
        if (state.health && state.health->status == "unhealthy")
            return {"unhealthy", concat("it runs, but its health check has failed ", state.health->failing_streak, " times in a row"), {}, "see the last probes"};
        if (state.health && state.health->status == "starting") return {"starting", "it runs, and its health check has not succeeded yet", {}, ""};
        return {"running", "it runs", {}, ""};
    }
    if (state.started_at.is_zero() && state.error.empty()) return {"created", "it was never started", {}, "start it"};
    return explain_end(parts, container, record);
}

json::Array last_lines(Parts& parts, const Record& record) {
    json::Array lines;
    if (!is_log_readable(record.host_config.log_config)) return lines;
    container::LogOptions options;
    options.tail = kLines;
    auto reader = container::LogReader::open(log_file(parts.paths, record), options);
    if (!reader) return lines;
    for (auto message = reader->next(); message && *message; message = reader->next()) lines.emplace_back(std::string(trim_suffix((*message)->text, "\n")));
    return lines;
}

json::Array last_probes(const Record& record) {
    json::Array probes;
    if (!record.state.health || !record.state.health->log) return probes;
    for (auto& result : *record.state.health->log) probes.push_back(json::to_value(result));
    return probes;
}

}  // namespace

Result<json::Object> explain_container(Parts& parts, const ContainerPointer& container) {
    auto record = container->record();
    auto found = explain(parts, container, record);
    json::Object answer;
    answer.set("Id", record.id);
    answer.set("Name", "/" + record.name);
    answer.set("Status", record.state.status);
    answer.set("Cause", found.cause);
    answer.set("Text", found.text);
    answer.set("Evidence", json::Value::strings(found.evidence));
    answer.set("Fix", found.fix);
    answer.set("ExitCode", record.state.exit_code);
    answer.set("OOMKilled", record.state.oom_killed);
    answer.set("StartedAt", rfc3339_nano(record.state.started_at));
    answer.set("FinishedAt", rfc3339_nano(record.state.finished_at));
    answer.set("RestartCount", record.restart_count);
    if (record.state.running && !record.state.restarting)
        if (auto group = cgroup::Group::at(cgroup_path(parts, record)))
            if (auto counters = group->stats()) {
                answer.set("MemoryUsage", counters->memory_usage);
                if (counters->memory_max_usage > 0) answer.set("MemoryPeak", counters->memory_max_usage);
            }
    answer.set("Probes", last_probes(record));
    answer.set("Lines", last_lines(parts, record));
    return answer;
}

}  // namespace proa::engine
