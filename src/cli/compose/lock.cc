#include <algorithm>

#include "base/text.h"
#include "cli/compose/commands.h"
#include "client/images.h"
#include "compose/parallel.h"
#include "os/file.h"
#include "schema/oci/reference.h"

// Ours: docs/extensions.md.
namespace proa::cli {

namespace {
const Flag kLockFlags[] = {
    {"check", 0, FlagType::Bool, "Write nothing; fail when the file is missing or says something else"},
    {"output", 'o', FlagType::String, "File to write, relative to the project's directory; - for standard output", "(default \"compose.lock.yaml\")", "compose.lock.yaml"},
};
/// The name with the digest that it has in this engine's store, else in its registry.
Result<std::string> pinned(ProjectSession& session, const std::string& image) {
    auto reference = TRY(oci::Reference::parse(image)).with_default_tag();
    if (!reference.digest.empty()) return image;
    auto engine = TRY(session.engines().take());
    std::string name = reference.familiar();
    if (auto text = client::inspect_image_text(*engine, name)) {
        json::Value inspect = TRY(json::parse(*text));
        for (auto& digest : inspect["RepoDigests"].as_array())
            if (auto parts = cut(digest.as_string(), "@"); parts && parts->first == reference.familiar_name()) return concat(name, '@', parts->second);
    }
    client::Call request{.path = concat("/distribution/", name, "/json")};
    if (auto auth = client::registry_auth(session.call().session.config(), reference.domain); !auth.empty()) request.headers.emplace_back("X-Registry-Auth", auth);
    json::Value answer = TRY_WRAP(concat("find the digest of ", name), engine->json(request));
    return concat(name, '@', answer["Descriptor"]["digest"].as_string());
}

Result<int> lock(Invocation& call) {
    ProjectSession session(call);
    compose::Project project = TRY(session.load());
    std::vector<const compose::Service*> services;
    for (auto& [name, service] : project.services)
        if (!service.build && !service.image.empty()) services.push_back(&service);
    std::vector<std::string> images(services.size());
    TRY(compose::run_parallel(services.size(), 0, [&](size_t index) -> Result<void> {
        images[index] = TRY(pinned(session, services[index]->image));
        return {};
    }));
    std::string text = "# Images of this project, pinned by `proa compose lock`. Use it behind the project's own files: -f compose.yaml -f compose.lock.yaml\nservices:\n";
    if (services.empty()) text += "  {}\n";
    for (size_t i = 0; i < services.size(); i++) text += concat("  ", json::print(json::Value(services[i]->name)), ":\n    image: ", json::print(json::Value(images[i])), "\n");
    std::string output = call.flags.text("output");
    if (output == "-") {
        put(text);
        return 0;
    }
    std::string path = output.starts_with('/') ? output : os::join_path(project.working_dir, output);
    if (call.flags.is("check")) {
        auto there = os::read_file(path);
        if (there && *there == text) return 0;
        return fail(ErrorKind::Conflict, there ? concat(path, " does not say what these images are now") : concat("read ", path, ": ", there.error().message()));
    }
    TRY(os::replace_file(path, text, 0644, false));
    put_error_line(concat("Pinned ", services.size(), services.size() == 1 ? " image in " : " images in ", path));
    return 0;
}
}  // namespace

const Command kComposeLock = {"[OPTIONS]", "Pin the images of services to their digests (proa only)", kLockFlags, kNoArguments, lock, true,
                              "Write a further compose file that pins the image of each service to the digest that its name has now."};

}  // namespace proa::cli
