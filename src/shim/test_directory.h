#pragma once
#include <cstdlib>
#include <string>

#include "os/file.h"

namespace proa::shim {

/// A directory of its own for one test, removed afterwards.
struct TestDirectory {
    TestDirectory() {
        char name[] = "/tmp/proa-shim-test-XXXXXX";
        path = ::mkdtemp(name);
    }
    ~TestDirectory() { (void)os::remove_tree(path); }
    TestDirectory(const TestDirectory&) = delete;
    TestDirectory& operator=(const TestDirectory&) = delete;
    std::string path;
};

}  // namespace proa::shim
