#pragma once
#include <vector>

#include "volume/driver.h"
#include "volume/plugin_directories.h"

namespace proa::volume {

/// One HTTP service of Docker's plugin protocol, v1: JSON by POST over a unix socket or TCP.
class PluginClient {
public:
    /// `address`: "unix:///path" or "tcp://host:port".
    explicit PluginClient(std::string address) : address_(std::move(address)) {}
    /// The answer to `/VolumeDriver.Create` and the like; an `Err` in it is an error. Waits for a plugin that is being started, at most `patience_ms`.
    Result<json::Value> call(std::string_view method, const json::Value& body, int patience_ms) const;

private:
    std::string address_;
};

/// Volumes that a plugin keeps. API: docs of Docker's volume plugins.
class PluginDriver : public Driver {
public:
    /// Finds the plugin `name` by its socket or specification and asks what it implements.
    /// Errors: NotFound `plugin "x" not found`.
    static Result<std::unique_ptr<PluginDriver>> find(const std::string& name, const PluginDirectories& directories);
    /// Names of all plugins that can be found.
    static std::vector<std::string> known(const PluginDirectories& directories);

    Result<void> create(const Record& record) override;
    Result<void> remove(const Record& record) override;
    Result<std::string> mountpoint(const Record& record) override;
    Result<std::string> mount(const Record& record, const std::string& user) override;
    Result<void> unmount(const Record& record, const std::string& user, bool last) override;
    std::string scope() override { return scope_; }
    json::Value status(const Record& record) override;

    Result<bool> has(const std::string& volume) const;
    Result<std::vector<std::string>> list() const;

private:
    PluginDriver(std::string name, PluginClient client) : name_(std::move(name)), client_(std::move(client)) {}
    Result<json::Value> get(const std::string& volume) const;

    std::string name_, scope_ = "local";
    PluginClient client_;
};

}  // namespace proa::volume
