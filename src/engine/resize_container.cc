#include "engine/resize_container.h"

#include "container/shim_link.h"
#include "engine/container_events.h"

namespace proa::engine {

Result<os::WindowSize> parse_window_size(const std::string& height, const std::string& width) {
    auto parse = [](const std::string& text) -> Result<uint16_t> {
        auto number = parse_uint(text);
        if (!number || *number > UINT32_MAX)
            return fail(ErrorKind::InvalidArgument, concat("strconv.ParseUint: parsing ", quote(text), ": invalid syntax"));
        return static_cast<uint16_t>(std::min<uint64_t>(*number, UINT16_MAX));
    };
    uint16_t rows = TRY(parse(height));
    return os::WindowSize{rows, TRY(parse(width))};
}

Result<void> resize_container(Parts& parts, const container::ContainerPointer& container, os::WindowSize size) {
    auto not_running = [&] { return fail(ErrorKind::Conflict, concat("container ", container->id(), " is not running")); };
    if (!container->state().running) return not_running();
    auto resized = container::resize(parts.paths.state(container->id()), "", size.height, size.width);
    if (!resized && resized.error().is(ErrorKind::NotFound)) return not_running();  // it ends in this moment
    if (!resized) return resized;
    publish_container_event(parts.events, *container, "resize", {{"height", concat(size.height)}, {"width", concat(size.width)}});
    return {};
}

}  // namespace proa::engine
