#pragma once
#include "codec/json/fields.h"

// API: GET /events.
namespace proa::docker {

struct EventActor {
    std::string id;
    std::map<std::string, std::string> attributes;
};
struct Event {
    std::string status, id, from;  ///< legacy fields of container and image events below API 1.52
    std::string type, action;
    EventActor actor;
    std::string scope = "local";
    int64_t time = 0, time_nano = 0;
};

}  // namespace proa::docker

PROA_JSON_DECLARE(proa::docker::EventActor)
PROA_JSON_DECLARE(proa::docker::Event)
