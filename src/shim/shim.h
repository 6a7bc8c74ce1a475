#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cgroup/group.h"
#include "os/epoll.h"
#include "os/fd.h"
#include "runtime/launch.h"
#include "shim/engine_connection.h"
#include "shim/foreign_runtime.h"
#include "shim/log_writer.h"
#include "shim/port_forwarder.h"
#include "shim/protocol.h"
#include "shim/task.h"

namespace proa::shim {

/// The parent of one container: a single-threaded event loop between the container's streams, its clients, its log and the
/// engine. Life: waits for Launch -> runs -> the init ends, output is drained, the exit is recorded and told -> Release (or no
/// engine is connected) -> cgroup and socket are removed -> ends with its last client. docs/formats/shim.md
class Shim final : public RequestHandler, public TaskOwner {
public:
    struct Options {
        int control_descriptor = 3;    ///< the engine's connection
        std::string pool_cgroup_path;  ///< start ahead of time in this group; empty: no pool
        std::optional<int> oom_score;  ///< what containers get when their plan names none; unset: they inherit the shim's
        void (*show_id)(const std::string& container_id) = nullptr;
        void (*release_program_pages)() = nullptr;  ///< called when the container has settled
    };

    explicit Shim(Options options) : options_(std::move(options)) {}
    /// Returns when the container's life is over. Errors: the control connection or the event loop cannot be set up.
    Result<void> run();

private:
    /// Where a process with streams stands.
    enum class Phase : uint8_t { Running, Draining, Holding, Leaving };
    struct Process {
        Process(os::Epoll& epoll, TaskOwner& owner, TaskSettings settings, LogWriter* log)
            : task(epoll, owner, std::move(settings), log) {}
        Task task;
        Phase phase = Phase::Running;
        int64_t deadline = 0;   ///< of the phase, monotonic nanoseconds
        bool released = false;  ///< the engine has recorded the exit
    };
    struct EarlyAttach {
        Attach settings;
        os::Fd stream;
    };

    // main_loop.cc
    Result<void> set_up();
    Result<void> add_connection(os::Fd socket);
    void on_listener(uint32_t events);
    void on_signal(uint32_t events);
    void on_out_of_memory(uint32_t events);
    void look_for_kills();
    void sweep(int64_t now);
    int wait_time(int64_t now) const;
    void settle();
    void tell(const Event& event);
    bool has_subscriber() const;

    // requests.cc
    void handle(EngineConnection& connection, const Request& request, std::vector<os::Fd> fds) override;
    Result<Reply> answer(EngineConnection& connection, const Request& request, std::vector<os::Fd>& fds);
    Result<Reply> launch(const Launch& message, std::vector<os::Fd>& fds);
    Result<runtime::Init> start_container(const Launch& message, runtime::Plan& plan, std::vector<os::Fd>& fds);
    Result<void> after_start(const Launch& message, std::vector<os::Fd>& fds);
    void watch_memory();
    Result<Reply> attach(const Attach& message, std::vector<os::Fd>& fds);
    Result<Reply> execute(const Exec& message, std::vector<os::Fd>& fds);
    Result<Reply> query(const Query& message);
    Result<Reply> change_ports(const ChangePorts& message, std::vector<os::Fd>& fds);
    Result<void> add_proxy(const PortProxy& proxy, std::vector<os::Fd>& fds);
    void subscribe(EngineConnection& connection);
    std::optional<Reply> release(EngineConnection& connection, uint64_t sequence, const Release& message);
    Result<Process*> find(const std::string& exec_id);
    void give_up_launch();
    void close_listener();

    // process_end.cc
    void client_detached(Task& task, uint64_t attach_id) override;
    void reap();
    void process_ended(Process& process, int exit_code);
    void advance(Process& process, int64_t now);
    void drained(Process& process, int64_t now);
    void record_exit();
    void end_leftovers();
    void clean_up();
    Event exit_event() const;
    bool is_over() const;

    Options options_;
    std::optional<os::Epoll> epoll_;
    os::Fd signals_, listener_;
    uint64_t socket_inode_ = 0;  // of the name that listener_ is bound to
    os::EpollMember<Shim, &Shim::on_signal> signal_handler_{this};
    os::EpollMember<Shim, &Shim::on_listener> listener_handler_{this};
    os::EpollMember<Shim, &Shim::on_out_of_memory> memory_handler_{this};
    std::vector<std::unique_ptr<EngineConnection>> connections_;
    uint64_t next_connection_ = 1;
    std::optional<runtime::ParkedLauncher> parked_;
    std::optional<ForeignRuntime> foreign_;  ///< instead of our own runtime

    std::vector<EarlyAttach> early_attaches_;
    std::string state_directory_;
    std::unique_ptr<LogWriter> log_;
    std::unique_ptr<Process> container_;
    std::vector<std::unique_ptr<Process>> execs_;
    std::vector<os::Fd> held_;
    std::vector<std::unique_ptr<PortForwarder>> proxies_;
    std::optional<cgroup::Group> group_;
    std::optional<cgroup::OomWatch> memory_watch_;
    std::vector<Event> untold_;  ///< exec exits while no engine was there
    int64_t memory_recheck_ = 0;  ///< when to look again after an event that came before its kill was counted
    int memory_rechecks_left_ = 0;
    bool shares_pids_ = false;   ///< the init's end does not end the others
    bool settle_due_ = false;    ///< memory can be given back at the next quiet moment
    bool out_of_memory_ = false, launch_failed_ = false, cleaned_up_ = false;
    struct {
        uint64_t connection = 0, sequence = 0;
    } pending_release_;  ///< a Release that came before the exit was recorded
};

}  // namespace proa::shim
