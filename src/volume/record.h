#pragma once
#include "schema/docker/container.h"

namespace proa::volume {

constexpr std::string_view kLocalDriver = "local";

/// What the engine remembers of one volume, kept in records.db as JSON (docs/formats/records.md).
struct Record {
    std::string name, driver = std::string(kLocalDriver);
    Time created;
    docker::OptionalStringMap labels, options;
    std::string made_for;      ///< a container that is being created and has no record yet: boot removes the volume when there is none
    bool filling = false;      ///< it is being made from something: boot throws it away
    bool removing = false;     ///< a removal has begun: boot finishes it
    std::string renamed_from;  ///< a rename has begun: boot finishes it
};

}  // namespace proa::volume

PROA_JSON_DECLARE(proa::volume::Record)
