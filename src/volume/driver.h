#pragma once
#include "codec/json/value.h"
#include "volume/record.h"

namespace proa::volume {

/// What keeps the content of volumes. Calls for one volume never overlap.
class Driver {
public:
    virtual ~Driver() = default;

    virtual Result<void> create(const Record& record) = 0;
    virtual Result<void> remove(const Record& record) = 0;
    /// Host path of the content; "" when there is none while nobody uses it.
    virtual Result<std::string> mountpoint(const Record& record) = 0;
    /// Makes the content available for `user` (an id of its own); the host path.
    virtual Result<std::string> mount(const Record& record, const std::string& user) = 0;
    /// `last`: nobody else uses the volume any more.
    virtual Result<void> unmount(const Record& record, const std::string& user, bool last) = 0;
    virtual std::string scope() = 0;  ///< "local" or "global"
    virtual json::Value status(const Record& record) = 0;
};

}  // namespace proa::volume
