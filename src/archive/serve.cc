#include "archive/serve.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "archive/container_path.h"
#include "archive/sandbox.h"
#include "base/text.h"
#include "codec/tar_tree.h"
#include "os/directory.h"
#include "os/file.h"
#include "os/mount.h"
#include "os/socket.h"
#include "os/user_namespace.h"
#include "runtime/identity.h"
#include "runtime/root_builder.h"
#include "store/unpack.h"

namespace proa::archive {

namespace {

Result<void> tell(Reply reply) { return os::send_message(kStatusDescriptor, pack(reply)); }

Result<void> tell_failure(const Error& error) {
    Reply reply;
    reply.good = false;
    reply.error_kind = static_cast<uint8_t>(error.kind());
    reply.error_number = error.number();
    reply.error_message = error.message();
    return tell(std::move(reply));
}

/// A copy of the root mount of a container's mount namespace without what is mounted on it.
Result<os::Fd> clone_root_of_namespace(int mount_namespace) {
    os::Fd own = TRY(os::open_file("/proc/self/ns/mnt", O_RDONLY));
    if (::setns(mount_namespace, CLONE_NEWNS) < 0) return fail_errno("setns", "the container's mounts");
    auto tree = os::clone_tree(AT_FDCWD, "/", false);
    if (::setns(own.get(), CLONE_NEWNS) < 0) return fail_errno("setns", "our own mounts");
    return tree;
}

struct PreparedRoot {
    os::RootDirectory directory;
    RootKind kind = RootKind::OfAnotherNamespace;
};

Result<PreparedRoot> prepare_root(const Request& request) {
    if (::unshare(CLONE_NEWNS) < 0) return fail_errno("unshare", "mount namespace");
    PreparedRoot prepared;
    if (request.running) {
        TRY(os::change_propagation("/", MS_PRIVATE | MS_REC));
        prepared.directory = os::RootDirectory(request.verb == Verb::Export ? TRY(clone_root_of_namespace(kRootDescriptor)) : os::Fd(kRootDescriptor));
        return prepared;
    }
    runtime::MountSources sources;
    sources.trees.resize(request.plan.mounts.size());
    if (request.mapped) {
        TRY(os::change_propagation("/", MS_PRIVATE | MS_REC));
        auto& root = request.plan.root;
        sources.root = TRY_WRAP("mount the root file system", os::mapped_overlay({root.overlay_lower, root.overlay_upper, root.overlay_work}, root.directory,
                                                                                root.mapped_directory, kUserDescriptor));
    }
    runtime::RootBuilder builder(request.plan, sources, false, false);
    TRY(builder.mount_root());
    if (request.verb != Verb::Export) TRY(builder.mount_all());
    prepared.directory = TRY(builder.root().open_root(os::PathInRoot()));
    prepared.kind = RootKind::MountedHere;
    return prepared;
}

Result<void> read_path(const os::RootDirectory& root, const Request& request) {
    ContainerPath path = parse_container_path(request.path);
    FoundPath found = TRY(find_path(root, path, request));
    Reply first;
    first.stat = found.stat;
    TRY(tell(std::move(first)));
    codec::FdSink out(STDOUT_FILENO);
    codec::TarWriter tar(out);
    codec::TarTreeWriter tree(tar, codec::TarTreeWriter::Form::Files);
    struct stat st = TRY(os::descriptor_status(found.entry.get()));
    if (S_ISDIR(st.st_mode)) {
        TRY(tree.add(found.entry.get(), ".", path.name));
    } else {
        os::Parent parent = TRY(root.open_parent(os::PathInRoot(path.cleaned)));
        TRY(tree.add(parent.directory.get(), parent.name, path.name));
    }
    return tar.finish();
}

Result<void> export_root(const os::RootDirectory& root) {
    TRY(tell({}));
    codec::FdSink out(STDOUT_FILENO);
    codec::TarWriter tar(out);
    codec::TarTreeWriter tree(tar, codec::TarTreeWriter::Form::Files);
    TRY(tree.add_contents(root.fd(), ""));
    return tar.finish();
}

Result<void> write_path(const os::RootDirectory& root, const Request& request) {
    store::ArchiveOptions options;
    options.into = trim_prefix(TRY(find_target(root, request)), "/");
    options.keep_kinds = request.keep_kinds;
    if (request.owner) {
        runtime::Process process;
        process.user_name = *request.owner;
        auto identity = TRY(runtime::resolve_identity(process, root));
        options.owner = {identity.uid, identity.gid};
    }
    TRY(tell({}));
    codec::FdSource tar(STDIN_FILENO);
    TRY(store::unpack_archive_into(tar, root, std::move(options)));
    return {};
}

Result<void> carry_out(const Request& request) {
    PreparedRoot root = TRY(prepare_root(request));
    TRY(enter_sandbox(root.directory, root.kind, request.mapped ? kUserDescriptor : -1));
    switch (request.verb) {
        case Verb::Stat: {
            Reply first;
            first.stat = TRY(find_path(root.directory, parse_container_path(request.path), request)).stat;
            return tell(std::move(first));
        }
        case Verb::Read: return read_path(root.directory, request);
        case Verb::Write: return write_path(root.directory, request);
        case Verb::Export: return export_root(root.directory);
    }
    return fail(ErrorKind::InvalidArgument, "proa-archive: unknown request");
}

}  // namespace

Result<void> serve() {
    ::prctl(PR_SET_DUMPABLE, 0);
    ::signal(SIGPIPE, SIG_IGN);
    ::umask(0);
    auto request = unpack<Request>(TRY(os::read_to_end(kRequestDescriptor, 16 << 20)));
    if (!request) return tell_failure(request.error());
    auto done = carry_out(*request);
    if (!done) return tell_failure(done.error());
    return tell({});
}

}  // namespace proa::archive
