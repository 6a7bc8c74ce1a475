#include "cgroup/device_filter.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "os/file.h"

namespace proa::cgroup {

namespace {
using Exception = DeviceModel::Exception;

Result<uint32_t> parse_access(std::string_view text) {
    uint32_t access = 0;
    for (char letter : text) {
        if (letter == 'r') access |= DeviceModel::kRead;
        else if (letter == 'w') access |= DeviceModel::kWrite;
        else if (letter == 'm') access |= DeviceModel::kMknod;
        else return fail(ErrorKind::InvalidArgument, concat("device access ", quote(text), ": only r, w and m are known"));
    }
    return access;
}

std::string access_text(uint32_t access) {
    std::string text;
    if (access & DeviceModel::kRead) text += 'r';
    if (access & DeviceModel::kWrite) text += 'w';
    if (access & DeviceModel::kMknod) text += 'm';
    return text;
}

std::string number_text(int64_t number) { return number < 0 ? "*" : concat(number); }
std::string device_text(const Exception& item) { return concat(item.type, ' ', number_text(item.major), ':', number_text(item.minor)); }

bool same_devices(const Exception& a, const Exception& b) { return a.type == b.type && a.major == b.major && a.minor == b.minor; }
/// `wide` holds devices of `narrow` and is another set than it.
bool overlaps(const Exception& a, const Exception& b) {
    return a.type == b.type && (a.major < 0 || b.major < 0 || a.major == b.major) && (a.minor < 0 || b.minor < 0 || a.minor == b.minor);
}

void add_exception(DeviceModel& model, const Exception& added) {
    for (auto& item : model.exceptions) {
        if (!same_devices(item, added)) continue;
        item.access |= added.access;
        return;
    }
    model.exceptions.push_back(added);
}

Result<void> remove_exception(DeviceModel& model, const Exception& removed) {
    for (auto& item : model.exceptions) {
        if (!overlaps(item, removed) || !(item.access & removed.access)) continue;
        bool covered = (removed.major < 0 || removed.major == item.major) && (removed.minor < 0 || removed.minor == item.minor);
        if (!covered)
            return fail(ErrorKind::InvalidArgument, concat("device rule for ", device_text(removed), " takes away a part of the wider rule for ",
                                                           device_text(item), ", which the devices controller cannot express"));
        item.access &= ~removed.access;
    }
    std::erase_if(model.exceptions, [](auto& item) { return item.access == 0; });
    return {};
}
}  // namespace

bool DeviceModel::allows(char type, int64_t major, int64_t minor, uint32_t access) const {
    for (auto& item : exceptions) {
        bool device = item.type == type && (item.major < 0 || item.major == major) && (item.minor < 0 || item.minor == minor);
        if (!device) continue;
        if (default_allow ? (item.access & access) != 0 : (access & ~item.access) == 0) return !default_allow;
    }
    return default_allow;
}

Result<DeviceModel> reduce_device_rules(const std::vector<DeviceRule>& rules) {
    DeviceModel model;
    for (auto& rule : rules) {
        uint32_t access = TRY(parse_access(rule.access));
        if (rule.type == 'a') {  // whatever the numbers say: the kernel reads no further than the letter
            model.default_allow = rule.allow;
            model.exceptions.clear();
            continue;
        }
        if (rule.type != 'b' && rule.type != 'c')
            return fail(ErrorKind::InvalidArgument, concat("device type ", quote(std::string(1, rule.type)), " in a cgroup rule: only a, b and c are known"));
        if (access == 0) continue;
        Exception item{rule.type, rule.major < 0 ? -1 : rule.major, rule.minor < 0 ? -1 : rule.minor, access};
        if (rule.allow != model.default_allow) add_exception(model, item);
        else TRY(remove_exception(model, item));
    }
    return model;
}

std::vector<DeviceWrite> device_writes(const DeviceModel& model) {
    std::vector<DeviceWrite> writes{{model.default_allow, "a"}};
    for (auto& item : model.exceptions)
        writes.push_back({!model.default_allow, concat(device_text(item), ' ', access_text(item.access))});
    return writes;
}

namespace {
class Assembler {
public:
    void emit(uint8_t code, uint8_t destination, uint8_t source, int16_t offset, int32_t immediate) {
        bpf_insn instruction{};
        instruction.code = code;
        instruction.dst_reg = destination & 15;
        instruction.src_reg = source & 15;
        instruction.off = offset;
        instruction.imm = immediate;
        uint64_t word;
        static_assert(sizeof word == sizeof instruction);
        memcpy(&word, &instruction, sizeof word);
        program_.push_back(word);
    }
    void load_word(uint8_t destination, int16_t offset) { emit(BPF_LDX | BPF_W | BPF_MEM, destination, 1, offset, 0); }
    /// A jump that is patched to the end of the block.
    void jump_to_end(uint8_t comparison, uint8_t source_kind, uint8_t a, uint8_t b, int32_t immediate) {
        open_.push_back(program_.size());
        emit(static_cast<uint8_t>(BPF_JMP32 | comparison | source_kind), a, b, 0, immediate);
    }
    void decide(bool allow) {
        emit(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, allow ? 1 : 0);
        emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    }
    void end_block() {
        for (size_t at : open_) {
            bpf_insn instruction;
            memcpy(&instruction, &program_[at], sizeof instruction);
            instruction.off = static_cast<int16_t>(program_.size() - at - 1);
            memcpy(&program_[at], &instruction, sizeof instruction);
        }
        open_.clear();
    }
    std::vector<uint64_t> take() { return std::move(program_); }

private:
    std::vector<uint64_t> program_;
    std::vector<size_t> open_;
};
}  // namespace

std::vector<uint64_t> device_program(const DeviceModel& model) {
    // Registers: r2 type, r3 access, r4 major, r5 minor, r6 scratch. Context: struct bpf_cgroup_dev_ctx.
    Assembler code;
    code.load_word(2, 0);
    code.emit(BPF_ALU | BPF_MOV | BPF_X, 3, 2, 0, 0);
    code.emit(BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xffff);
    code.emit(BPF_ALU | BPF_RSH | BPF_K, 3, 0, 0, 16);
    code.load_word(4, 4);
    code.load_word(5, 8);
    for (auto& item : model.exceptions) {
        code.jump_to_end(BPF_JNE, BPF_K, 2, 0, item.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
        if (item.access != DeviceModel::kAll) {
            code.emit(BPF_ALU | BPF_MOV | BPF_X, 6, 3, 0, 0);
            code.emit(BPF_ALU | BPF_AND | BPF_K, 6, 0, 0, static_cast<int32_t>(item.access));
            // Allowing needs all of the access to be covered, denying any of it: as the v1 controller matches.
            if (model.default_allow) code.jump_to_end(BPF_JEQ, BPF_K, 6, 0, 0);
            else code.jump_to_end(BPF_JNE, BPF_X, 6, 3, 0);
        }
        if (item.major >= 0) code.jump_to_end(BPF_JNE, BPF_K, 4, 0, static_cast<int32_t>(item.major));
        if (item.minor >= 0) code.jump_to_end(BPF_JNE, BPF_K, 5, 0, static_cast<int32_t>(item.minor));
        code.decide(!model.default_allow);
        code.end_block();
    }
    code.decide(model.default_allow);
    return code.take();
}

namespace {
long bpf(int command, bpf_attr& attributes) { return ::syscall(SYS_bpf, command, &attributes, sizeof attributes); }

Result<os::Fd> load_program(const std::vector<uint64_t>& program) {
    bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attributes.insns = reinterpret_cast<uint64_t>(program.data());
    attributes.insn_cnt = static_cast<uint32_t>(program.size());
    attributes.license = reinterpret_cast<uint64_t>("Apache");
    os::Fd fd(static_cast<int>(bpf(BPF_PROG_LOAD, attributes)));
    if (!fd) return fail_errno("load the device filter program");
    return fd;
}

std::vector<uint32_t> attached_programs(int directory) {
    std::vector<uint32_t> ids(64);
    bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.query.target_fd = static_cast<uint32_t>(directory);
    attributes.query.attach_type = BPF_CGROUP_DEVICE;
    attributes.query.prog_ids = reinterpret_cast<uint64_t>(ids.data());
    attributes.query.prog_cnt = static_cast<uint32_t>(ids.size());
    if (bpf(BPF_PROG_QUERY, attributes) < 0) return {};
    ids.resize(std::min<size_t>(ids.size(), attributes.query.prog_cnt));
    return ids;
}
}  // namespace

Result<void> attach_device_program(const std::string& unified_directory, const DeviceModel& model) {
    os::Fd directory = TRY(os::open_file(unified_directory, O_RDONLY | O_DIRECTORY));
    os::Fd program = TRY(load_program(device_program(model)));
    std::vector<os::Fd> old;
    for (uint32_t id : attached_programs(directory.get())) {
        bpf_attr attributes;
        memset(&attributes, 0, sizeof attributes);
        attributes.prog_id = id;
        os::Fd fd(static_cast<int>(bpf(BPF_PROG_GET_FD_BY_ID, attributes)));
        if (fd) old.push_back(std::move(fd));
    }
    bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.target_fd = static_cast<uint32_t>(directory.get());
    attributes.attach_bpf_fd = static_cast<uint32_t>(program.get());
    attributes.attach_type = BPF_CGROUP_DEVICE;
    attributes.attach_flags = BPF_F_ALLOW_MULTI;
    if (bpf(BPF_PROG_ATTACH, attributes) < 0) return fail_errno("attach the device filter to", unified_directory);
    // All attached programs must agree, so the new rules hold from here on; the old ones go last and never leave a gap.
    for (auto& fd : old) {
        memset(&attributes, 0, sizeof attributes);
        attributes.target_fd = static_cast<uint32_t>(directory.get());
        attributes.attach_bpf_fd = static_cast<uint32_t>(fd.get());
        attributes.attach_type = BPF_CGROUP_DEVICE;
        if (bpf(BPF_PROG_DETACH, attributes) < 0) return fail_errno("detach the old device filter from", unified_directory);
    }
    return {};
}

}  // namespace proa::cgroup
