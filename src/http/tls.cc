#include "http/tls.h"

#include <dlfcn.h>

#include <mutex>

#include "base/log.h"
#include "base/text.h"
#include "http/tls_abi.h"
#include "os/file.h"

namespace proa::http {

namespace {
constexpr const char* kModuleName = "libproa-tls.so";
#ifndef PROA_MODULE_DIR
#define PROA_MODULE_DIR "/usr/lib/proa"
#endif

/// Beside the program (a build tree), else in lib/proa next to its bin/, else where packages put it. Never a search path.
Result<const TlsModule*> load_module() {
    auto program = TRY(os::read_link("/proc/self/exe"));
    auto directory = os::directory_of(program);
    std::string reason = "not found";
    for (auto& path : {os::join_path(directory, kModuleName), os::join_path(directory, concat("../lib/proa/", kModuleName)),
                       os::join_path(directory, concat("../bin/", kModuleName)), concat(PROA_MODULE_DIR "/", kModuleName)}) {
        if (!os::exists(path)) continue;
        void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        if (!library) {
            reason = ::dlerror();
            continue;
        }
        auto* entry = reinterpret_cast<const TlsModule* (*)()>(::dlsym(library, "proa_tls_module"));
        const TlsModule* module = entry ? entry() : nullptr;
        if (module && module->version == kTlsModuleVersion) return module;
        reason = "another version";
    }
    return fail(ErrorKind::Unsupported, concat("TLS module ", kModuleName, ": ", reason));
}

Result<const TlsModule*> tls_module() {
    static std::mutex mutex;
    static const TlsModule* loaded = nullptr;
    std::lock_guard lock(mutex);
    if (!loaded) loaded = TRY(load_module());
    return loaded;
}

Unexpected module_failure(const TlsFailure& failure) {
    static constexpr ErrorKind kKinds[] = {ErrorKind::Internal, ErrorKind::NotFound, ErrorKind::InvalidArgument,
                                           ErrorKind::Forbidden};
    return fail(kKinds[failure.kind & 3], failure.text);
}

void log_failure(const char* text) { log::info(text); }
}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::create(const TlsConfig& config) {
    auto* module = TRY(tls_module());
    TlsModuleConfig wanted{config.role == TlsRole::Server, config.verify_peer, config.ca_file.c_str(),
                           config.cert_file.c_str(), config.key_file.c_str()};
    TlsFailure failure;
    void* handle = module->make_context(&wanted, &failure);
    if (!handle) return module_failure(failure);
    return std::shared_ptr<TlsContext>(new TlsContext(module, handle));
}

TlsContext::~TlsContext() { module_->free_context(handle_); }

Result<os::Fd> tls_accept(os::Fd socket, const TlsContext& context) {
    TlsFailure failure;
    int plain = context.module_->accept(context.handle_, socket.release(), log_failure, &failure);
    if (plain < 0) return module_failure(failure);
    return os::Fd(plain);
}

Result<os::Fd> tls_connect(os::Fd socket, const TlsContext& context, const std::string& server_name) {
    TlsFailure failure;
    int plain = context.module_->connect(context.handle_, socket.release(), server_name.c_str(), &failure);
    if (plain < 0) return module_failure(failure);
    return os::Fd(plain);
}

}  // namespace proa::http
