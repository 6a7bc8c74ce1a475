#include "schema/docker/volume.h"

PROA_JSON_TABLE(proa::docker::VolumeUsage, "UsageData", field<&T::ref_count>("RefCount"), field<&T::size>("Size"))

PROA_JSON_TABLE(proa::docker::Volume, "Volume", field<&T::created_at>("CreatedAt", kOmitEmpty), field<&T::driver>("Driver"), field<&T::labels>("Labels"),
                field<&T::mountpoint>("Mountpoint"), field<&T::name>("Name"), field<&T::options>("Options"), field<&T::scope>("Scope"),
                field<&T::status>("Status", kOmitEmpty), field<&T::usage>("UsageData", kOmitEmpty))

PROA_JSON_TABLE(proa::docker::VolumeCreateRequest, "CreateOptions", field<&T::cluster_spec>("ClusterVolumeSpec"), field<&T::driver>("Driver"),
                field<&T::driver_opts>("DriverOpts"), field<&T::labels>("Labels"), field<&T::name>("Name"))
