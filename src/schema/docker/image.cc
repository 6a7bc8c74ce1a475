#include "schema/docker/image.h"

PROA_JSON_TABLE(proa::docker::ImageSummary, "Summary", field<&T::containers>("Containers"), field<&T::created>("Created"), field<&T::id>("Id"),
                field<&T::labels>("Labels"), field<&T::parent_id>("ParentId"), field<&T::repo_digests>("RepoDigests"), field<&T::repo_tags>("RepoTags"),
                field<&T::shared_size>("SharedSize"), field<&T::size>("Size"), field<&T::virtual_size>("VirtualSize", kOmitEmpty),
                field<&T::descriptor>("Descriptor", kOmitEmpty), field<&T::manifests>("Manifests", kOmitEmpty))

PROA_JSON_TABLE(proa::docker::ImageRootFs, "RootFS", field<&T::type>("Type"), field<&T::layers>("Layers", kOmitEmpty))

PROA_JSON_TABLE(proa::docker::ImageMetadata, "Metadata", field<&T::last_tag_time>("LastTagTime"))

PROA_JSON_TABLE(proa::docker::ImageInspect, "InspectResponse", field<&T::id>("Id"), field<&T::repo_tags>("RepoTags"), field<&T::repo_digests>("RepoDigests"),
                field<&T::parent>("Parent"), field<&T::comment>("Comment"), field<&T::created>("Created"),
                field<&T::docker_version>("DockerVersion", kOmitEmpty), field<&T::author>("Author"), field<&T::container>("Container", kOmitEmpty),
                field<&T::config>("Config"), field<&T::architecture>("Architecture"),
                field<&T::variant>("Variant", kOmitEmpty), field<&T::os>("Os"), field<&T::os_version>("OsVersion", kOmitEmpty), field<&T::size>("Size"),
                field<&T::virtual_size>("VirtualSize", kOmitEmpty), field<&T::graph_driver>("GraphDriver"), field<&T::root_fs>("RootFS"),
                field<&T::metadata>("Metadata"), field<&T::descriptor>("Descriptor", kOmitEmpty), field<&T::manifests>("Manifests", kOmitEmpty))

PROA_JSON_TABLE(proa::docker::ImageHistory, "HistoryResponseItem", field<&T::comment>("Comment"), field<&T::created>("Created"),
                field<&T::created_by>("CreatedBy"), field<&T::id>("Id"), field<&T::size>("Size"), field<&T::tags>("Tags"))

PROA_JSON_TABLE(proa::docker::ImageDeleteItem, "DeleteResponse", field<&T::untagged>("Untagged", kOmitEmpty), field<&T::deleted>("Deleted", kOmitEmpty))
