#include "http/tls.h"

#include <mutex>

#include "base/log.h"
#include "base/text.h"
#include "http/module.h"
#include "http/tls_abi.h"

namespace proa::http {

namespace {
Result<const TlsModule*> load_tls() {
    auto* entry = reinterpret_cast<const TlsModule* (*)()>(TRY(load_module("libproa-tls.so", "proa_tls_module")));
    const TlsModule* module = entry();
    if (module->version != kTlsModuleVersion) return fail(ErrorKind::Unsupported, "module libproa-tls.so: another version");
    return module;
}

Result<const TlsModule*> tls_module() {
    static std::mutex mutex;
    static const TlsModule* loaded = nullptr;
    std::lock_guard lock(mutex);
    if (!loaded) loaded = TRY(load_tls());
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
