#include "schema/docker/event.h"

PROA_JSON_TABLE(proa::docker::EventActor, "Actor", field<&T::id>("ID"), field<&T::attributes>("Attributes"))

PROA_JSON_TABLE(proa::docker::Event, "Message", field<&T::status>("status", kOmitEmpty), field<&T::id>("id", kOmitEmpty),
                field<&T::from>("from", kOmitEmpty), field<&T::type>("Type"), field<&T::action>("Action"), field<&T::actor>("Actor"),
                field<&T::scope>("scope"), field<&T::time>("time"), field<&T::time_nano>("timeNano"))
