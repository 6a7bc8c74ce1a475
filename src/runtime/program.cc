#include "runtime/program.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "os/fd.h"

namespace proa::runtime {

namespace {
/// 0, or the errno with which Go's findExecutable refuses the path.
int executable_error(const std::string& path) {
    struct stat st;
    if (::stat(path.c_str(), &st) < 0) return errno;
    if (S_ISDIR(st.st_mode)) return EISDIR;
    if (::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) < 0) return errno;
    return st.st_mode & 0111 ? 0 : EACCES;
}

std::string_view environment_value(const Process& process, std::string_view name) {
    std::string_view value;
    for (auto& entry : process.env)
        if (entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=') value = std::string_view(entry).substr(name.size() + 1);
    return value;
}

Unexpected refuse(const std::string& name, std::string_view why, ErrorKind kind, int number) {
    return fail(kind, concat("exec: ", quote(name), ": ", why), number);
}

Unexpected refuse_by_errno(const std::string& name, int number) {
    switch (number) {
        case EISDIR: return refuse(name, "is a directory", ErrorKind::InvalidArgument, EACCES);
        case EACCES:
        case EPERM: return refuse(name, "permission denied", ErrorKind::InvalidArgument, EACCES);
        default: return refuse(name, concat("stat ", name, ": ", to_lower(strerrordesc_np(number) ? strerrordesc_np(number) : "unknown error")),
                               ErrorKind::InvalidArgument, number == ENOTDIR || number == ELOOP || number == ENAMETOOLONG ? EACCES : number);
    }
}
}  // namespace

Result<std::string> find_program(const Process& process) {
    if (process.args.empty() || process.args[0].empty())
        return refuse(process.args.empty() ? "" : process.args[0], "executable file not found in $PATH", ErrorKind::InvalidArgument, ENOENT);
    const std::string& name = process.args[0];
    if (name.find('/') != std::string::npos) {
        if (int number = executable_error(name)) return refuse_by_errno(name, number);
        return name;
    }
    for (auto& directory : split(environment_value(process, "PATH"), ':')) {
        if (directory.empty() || directory[0] != '/') continue;  // never from the working directory
        std::string candidate = concat(directory, '/', name);
        if (executable_error(candidate) == 0) return candidate;
    }
    return refuse(name, "executable file not found in $PATH", ErrorKind::InvalidArgument, ENOENT);
}

Program::Program(const Process& process, std::string path, std::vector<std::string> extra_env)
    : path_(std::move(path)), extra_env_(std::move(extra_env)) {
    for (auto& argument : process.args) arguments_.push_back(const_cast<char*>(argument.c_str()));
    arguments_.push_back(nullptr);
    for (auto& entry : process.env) environment_.push_back(const_cast<char*>(entry.c_str()));
    for (auto& entry : extra_env_) environment_.push_back(entry.data());
    environment_.push_back(nullptr);
}

Error Program::execute() {
    ::execve(path_.c_str(), arguments_.data(), environment_.data());
    int number = errno;
    std::string text = concat("exec ", path_, ": ", to_lower(strerrordesc_np(number) ? strerrordesc_np(number) : "unknown error"));
    std::string reason = explain_exec_failure(path_, number);
    if (!reason.empty()) text += concat(" (", reason, ")");
    return Error(ErrorKind::InvalidArgument, std::move(text), number);
}

namespace {
std::string machine_name(unsigned machine) {
    switch (machine) {
        case EM_X86_64: return "x86-64";
        case EM_386: return "386";
        case EM_AARCH64: return "arm64";
        case EM_ARM: return "arm";
        case EM_RISCV: return "riscv64";
        case EM_S390: return "s390x";
        case EM_PPC64: return "ppc64le";
        case EM_MIPS: return "mips";
        case 258: return "loong64";
        default: return concat("ELF machine ", machine);
    }
}

unsigned own_machine() {
#if defined(__x86_64__)
    return EM_X86_64;
#elif defined(__aarch64__)
    return EM_AARCH64;
#elif defined(__riscv)
    return EM_RISCV;
#elif defined(__s390x__)
    return EM_S390;
#elif defined(__powerpc64__)
    return EM_PPC64;
#else
    return EM_NONE;
#endif
}

/// The PT_INTERP path of a 64-bit ELF file of this byte order.
std::string elf_loader(int file, const Elf64_Ehdr& header) {
    for (unsigned i = 0; i < header.e_phnum && i < 64; i++) {
        Elf64_Phdr segment;
        off_t at = static_cast<off_t>(header.e_phoff + i * sizeof segment);
        if (::pread(file, &segment, sizeof segment, at) != static_cast<ssize_t>(sizeof segment)) break;
        if (segment.p_type != PT_INTERP || segment.p_filesz < 2 || segment.p_filesz > 4096) continue;
        std::string path(segment.p_filesz - 1, '\0');
        if (::pread(file, path.data(), path.size(), static_cast<off_t>(segment.p_offset)) == static_cast<ssize_t>(path.size())) return path;
    }
    return "";
}

std::string explain_script(std::string_view head, int number) {
    std::string_view line = head.substr(2, head.find('\n') == std::string_view::npos ? std::string_view::npos : head.find('\n') - 2);
    if (line.ends_with('\r')) return "the \"#!\" line ends in a carriage return: the script has DOS line ends";
    auto words = split_fields(line);
    if (words.empty()) return "the \"#!\" line names no interpreter";
    if (number == ENOENT) return concat("the interpreter ", words[0], " of its \"#!\" line does not exist");
    if (number == EACCES) return concat("the interpreter ", words[0], " of its \"#!\" line is not executable");
    return "";
}
}  // namespace

std::string explain_exec_failure(const std::string& path, int number) {
    if (number != ENOEXEC && number != ENOENT && number != EACCES) return "";
    os::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!file) return "";
    char head[256] = {};
    ssize_t length = ::pread(file.get(), head, sizeof head, 0);
    if (length < 0) return "";
    if (length == 0) return "the file is empty";
    std::string_view text(head, static_cast<size_t>(length));
    if (text.starts_with("#!")) return explain_script(text, number);
    if (!text.starts_with("\x7f" "ELF")) return number == ENOEXEC ? "neither an ELF program nor a script with a \"#!\" line" : "";
    Elf64_Ehdr header;
    if (text.size() < sizeof header) return "the ELF file is cut short";
    memcpy(&header, head, sizeof header);
    if (number == ENOEXEC && header.e_machine != own_machine())
        return concat("the program is for ", machine_name(header.e_machine), ", this machine is ", machine_name(own_machine()));
    if (number != ENOENT || header.e_ident[EI_CLASS] != ELFCLASS64) return "";
    std::string loader = elf_loader(file.get(), header);
    return loader.empty() ? "" : concat("its ELF loader ", loader, " does not exist");
}

}  // namespace proa::runtime
