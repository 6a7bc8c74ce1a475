#include "http/module.h"

#include <dlfcn.h>

#include "base/text.h"
#include "os/file.h"

namespace proa::http {

#ifndef PROA_MODULE_DIR
#define PROA_MODULE_DIR "/usr/lib/proa"
#endif

Result<void*> load_module(const char* file_name, const char* symbol) {
    auto program = TRY(os::read_link("/proc/self/exe"));
    auto directory = os::directory_of(program);
    std::string reason = "not found";
    for (auto& path : {os::join_path(directory, file_name), os::join_path(directory, concat("../lib/proa/", std::string_view(file_name))),
                       os::join_path(directory, concat("../bin/", std::string_view(file_name))), concat(PROA_MODULE_DIR "/", std::string_view(file_name))}) {
        if (!os::exists(path)) continue;
        void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        if (!library) {
            reason = ::dlerror();
            continue;
        }
        if (void* address = ::dlsym(library, symbol)) return address;
        reason = concat("has no ", std::string_view(symbol));
    }
    return fail(ErrorKind::Unsupported, concat("module ", std::string_view(file_name), ": ", reason));
}

}  // namespace proa::http
