#include "compose/shape.h"

namespace proa::compose {

namespace {
using Alternatives = const Shape* const[];
using Words = const char* const[];

constexpr Shape kAnything{};
constexpr Shape kText{.types = "string"};
constexpr Shape kNull{.types = "null"};
constexpr Shape kBoolean{.types = "boolean"};
constexpr Shape kNumber{.types = "number"};
constexpr Shape kBooleanOrText{.types = "boolean,string"};
constexpr Shape kNumberOrText{.types = "number,string"};
constexpr Shape kTextOrNumber{.types = "string,number"};
constexpr Shape kIntegerOrText{.types = "integer,string"};
constexpr Shape kTextOrInteger{.types = "string,integer"};
constexpr Shape kTextOrNull{.types = "string,null"};

constexpr Shape kTexts{.types = "array", .items = &kText};
constexpr Shape kUniqueTexts{.types = "array", .items = &kText, .unique = true};
constexpr Shape kTextsOrNumbers{.types = "array", .items = &kTextOrNumber, .unique = true};
constexpr Alternatives kTextOrListOf = {&kText, &kUniqueTexts};
constexpr Shape kTextOrList{.one_of = kTextOrListOf};
constexpr Alternatives kTextOrTextsOf = {&kText, &kTexts};
constexpr Shape kTextOrTexts{.one_of = kTextOrTextsOf};

constexpr Shape kEntryValue{.types = "string,number,boolean,null"};
constexpr Shape kEntries{.types = "object", .keys = Keys::Any, .values = &kEntryValue, .closed = true};
constexpr Alternatives kListOrEntriesOf = {&kEntries, &kUniqueTexts};
constexpr Shape kListOrEntries{.one_of = kListOrEntriesOf};
constexpr Shape kTextMap{.types = "object", .keys = Keys::Any, .values = &kText, .closed = true};
constexpr Shape kOptions{.types = "object", .keys = Keys::Any, .values = &kTextOrNumber};
constexpr Shape kOptionValue{.types = "string,number,null"};
constexpr Shape kLoggingOptions{.types = "object", .keys = Keys::Any, .values = &kOptionValue};

constexpr Alternatives kHostAddressesOf = {&kText, &kTexts};
constexpr Shape kHostAddresses{.one_of = kHostAddressesOf};
constexpr Shape kHostEntries{.types = "object", .keys = Keys::Any, .values = &kHostAddresses, .closed = true};
constexpr Alternatives kExtraHostsOf = {&kHostEntries, &kUniqueTexts};
constexpr Shape kExtraHosts{.one_of = kExtraHostsOf};

constexpr Alternatives kCommandOf = {&kNull, &kText, &kTexts};
constexpr Shape kCommand{.one_of = kCommandOf};

constexpr Field kThrottleFields[] = {{"path", &kText}, {"rate", &kIntegerOrText}};
constexpr Shape kThrottle{.types = "object", .fields = kThrottleFields, .closed = true};
constexpr Shape kThrottles{.types = "array", .items = &kThrottle};
constexpr Field kWeightDeviceFields[] = {{"path", &kText}, {"weight", &kIntegerOrText}};
constexpr Shape kWeightDevice{.types = "object", .fields = kWeightDeviceFields, .closed = true};
constexpr Shape kWeightDevices{.types = "array", .items = &kWeightDevice};
constexpr Field kBlkioFields[] = {{"device_read_bps", &kThrottles},   {"device_read_iops", &kThrottles}, {"device_write_bps", &kThrottles},
                                  {"device_write_iops", &kThrottles}, {"weight", &kIntegerOrText},       {"weight_device", &kWeightDevices}};
constexpr Shape kBlkio{.types = "object", .fields = kBlkioFields, .closed = true};

constexpr Field kFileReferenceFields[] = {{"source", &kText}, {"target", &kText}, {"uid", &kText}, {"gid", &kText}, {"mode", &kNumberOrText}};
constexpr Shape kFileReference{.types = "object", .fields = kFileReferenceFields, .closed = true, .extensions = true};
constexpr Alternatives kFileReferenceOf = {&kText, &kFileReference};
constexpr Shape kFileReferenceForms{.one_of = kFileReferenceOf};
constexpr Shape kFileReferences{.types = "array", .items = &kFileReferenceForms};

constexpr Field kUlimitFields[] = {{"hard", &kIntegerOrText}, {"soft", &kIntegerOrText}};
constexpr Words kUlimitRequired = {"soft", "hard"};
constexpr Shape kUlimit{.types = "object", .fields = kUlimitFields, .closed = true, .extensions = true, .required = kUlimitRequired};
constexpr Alternatives kUlimitOf = {&kIntegerOrText, &kUlimit};
constexpr Shape kUlimitForms{.one_of = kUlimitOf};
constexpr Shape kUlimits{.types = "object", .keys = Keys::LowerCase, .values = &kUlimitForms};

constexpr Field kBuildFields[] = {
    {"context", &kText},       {"dockerfile", &kText},          {"dockerfile_inline", &kText},      {"entitlements", &kTexts},
    {"args", &kListOrEntries}, {"ssh", &kListOrEntries},        {"labels", &kListOrEntries},        {"cache_from", &kTexts},
    {"cache_to", &kTexts},     {"no_cache", &kBooleanOrText},   {"additional_contexts", &kListOrEntries}, {"network", &kText},
    {"pull", &kBooleanOrText}, {"target", &kText},              {"shm_size", &kIntegerOrText},      {"extra_hosts", &kExtraHosts},
    {"isolation", &kText},     {"privileged", &kBooleanOrText}, {"secrets", &kFileReferences},      {"tags", &kTexts},
    {"ulimits", &kUlimits},    {"platforms", &kTexts}};
constexpr Shape kBuildLong{.types = "object", .fields = kBuildFields, .closed = true, .extensions = true};
constexpr Alternatives kBuildOf = {&kText, &kBuildLong};
constexpr Shape kBuild{.one_of = kBuildOf};

constexpr Field kHookFields[] = {
    {"command", &kCommand}, {"user", &kText}, {"privileged", &kBooleanOrText}, {"working_dir", &kText}, {"environment", &kListOrEntries}};
constexpr Shape kHook{.types = "object", .fields = kHookFields, .closed = true, .extensions = true};
constexpr Shape kHooks{.types = "array", .items = &kHook};

constexpr Words kActions = {"rebuild", "sync", "restart", "sync+restart", "sync+exec"};
constexpr Shape kAction{.types = "string", .allowed = kActions};
constexpr Field kWatchFields[] = {{"ignore", &kTextOrTexts}, {"include", &kTextOrTexts}, {"initial_sync", &kBooleanOrText}, {"path", &kText},
                                  {"action", &kAction},      {"target", &kText},         {"exec", &kHook}};
constexpr Words kWatchRequired = {"path", "action"};
constexpr Shape kWatch{.types = "object", .fields = kWatchFields, .closed = true, .extensions = true, .required = kWatchRequired};
constexpr Shape kWatches{.types = "array", .items = &kWatch};
constexpr Field kDevelopFields[] = {{"watch", &kWatches}};
constexpr Shape kDevelop{.types = "object,null", .fields = kDevelopFields, .closed = true, .extensions = true};

constexpr Alternatives kHealthTestOf = {&kText, &kTexts};
constexpr Shape kHealthTest{.one_of = kHealthTestOf};
constexpr Field kHealthFields[] = {{"disable", &kBooleanOrText}, {"interval", &kText},     {"retries", &kNumberOrText}, {"test", &kHealthTest},
                                   {"timeout", &kText},          {"start_period", &kText}, {"start_interval", &kText}};
constexpr Shape kHealth{.types = "object", .fields = kHealthFields, .closed = true, .extensions = true};

constexpr Field kDeviceRequestFields[] = {
    {"capabilities", &kUniqueTexts}, {"count", &kTextOrInteger}, {"device_ids", &kUniqueTexts}, {"driver", &kText}, {"options", &kListOrEntries}};
constexpr Words kDeviceRequestRequired = {"capabilities"};
constexpr Shape kDeviceRequest{.types = "object", .fields = kDeviceRequestFields, .closed = true, .extensions = true, .required = kDeviceRequestRequired};
constexpr Shape kDeviceRequests{.types = "array", .items = &kDeviceRequest};
constexpr Words kAll = {"all"};
constexpr Shape kAllGpus{.types = "string", .allowed = kAll};
constexpr Shape kGpu{.types = "object", .fields = kDeviceRequestFields};
constexpr Shape kGpuList{.types = "array", .items = &kGpu};
constexpr Alternatives kGpusOf = {&kAllGpus, &kGpuList};
constexpr Shape kGpus{.one_of = kGpusOf};

constexpr Field kDiscreteFields[] = {{"kind", &kText}, {"value", &kNumberOrText}};
constexpr Shape kDiscrete{.types = "object", .fields = kDiscreteFields, .closed = true, .extensions = true};
constexpr Field kGenericFields[] = {{"discrete_resource_spec", &kDiscrete}};
constexpr Shape kGeneric{.types = "object", .fields = kGenericFields, .closed = true, .extensions = true};
constexpr Shape kGenerics{.types = "array", .items = &kGeneric};

constexpr Words kOrders = {"start-first", "stop-first"};
constexpr Shape kOrder{.types = "string", .allowed = kOrders};
constexpr Field kUpdateFields[] = {{"parallelism", &kIntegerOrText}, {"delay", &kText},       {"failure_action", &kText}, {"monitor", &kText},
                                   {"max_failure_ratio", &kNumberOrText}, {"order", &kOrder}};
constexpr Shape kUpdate{.types = "object", .fields = kUpdateFields, .closed = true, .extensions = true};
constexpr Field kLimitsFields[] = {{"cpus", &kNumberOrText}, {"memory", &kText}, {"pids", &kIntegerOrText}};
constexpr Shape kLimits{.types = "object", .fields = kLimitsFields, .closed = true, .extensions = true};
constexpr Field kReservationsFields[] = {{"cpus", &kNumberOrText}, {"memory", &kText}, {"generic_resources", &kGenerics}, {"devices", &kDeviceRequests}};
constexpr Shape kReservations{.types = "object", .fields = kReservationsFields, .closed = true, .extensions = true};
constexpr Field kResourcesFields[] = {{"limits", &kLimits}, {"reservations", &kReservations}};
constexpr Shape kResources{.types = "object", .fields = kResourcesFields, .closed = true, .extensions = true};
constexpr Field kRestartFields[] = {{"condition", &kText}, {"delay", &kText}, {"max_attempts", &kIntegerOrText}, {"window", &kText}};
constexpr Shape kRestart{.types = "object", .fields = kRestartFields, .closed = true, .extensions = true};
constexpr Field kPreferenceFields[] = {{"spread", &kText}};
constexpr Shape kPreference{.types = "object", .fields = kPreferenceFields, .closed = true, .extensions = true};
constexpr Shape kPreferences{.types = "array", .items = &kPreference};
constexpr Field kPlacementFields[] = {{"constraints", &kTexts}, {"preferences", &kPreferences}, {"max_replicas_per_node", &kIntegerOrText}};
constexpr Shape kPlacement{.types = "object", .fields = kPlacementFields, .closed = true, .extensions = true};
constexpr Field kDeployFields[] = {{"mode", &kText},           {"endpoint_mode", &kText},     {"replicas", &kIntegerOrText},
                                   {"labels", &kListOrEntries}, {"rollback_config", &kUpdate}, {"update_config", &kUpdate},
                                   {"resources", &kResources}, {"restart_policy", &kRestart}, {"placement", &kPlacement}};
constexpr Shape kDeploy{.types = "object,null", .fields = kDeployFields, .closed = true, .extensions = true};

constexpr Words kConditions = {"service_started", "service_healthy", "service_completed_successfully"};
constexpr Shape kCondition{.types = "string", .allowed = kConditions};
constexpr Field kDependencyFields[] = {{"restart", &kBooleanOrText}, {"required", &kBoolean}, {"condition", &kCondition}};
constexpr Words kDependencyRequired = {"condition"};
constexpr Shape kDependency{.types = "object", .fields = kDependencyFields, .closed = true, .extensions = true, .required = kDependencyRequired};
constexpr Shape kDependencies{.types = "object", .keys = Keys::Name, .values = &kDependency, .closed = true};
constexpr Alternatives kDependsOnOf = {&kUniqueTexts, &kDependencies};
constexpr Shape kDependsOn{.one_of = kDependsOnOf};

constexpr Field kDeviceFields[] = {{"source", &kText}, {"target", &kText}, {"permissions", &kText}};
constexpr Words kDeviceRequired = {"source"};
constexpr Shape kDevice{.types = "object", .fields = kDeviceFields, .closed = true, .extensions = true, .required = kDeviceRequired};
constexpr Alternatives kDeviceOf = {&kText, &kDevice};
constexpr Shape kDeviceForms{.one_of = kDeviceOf};
constexpr Shape kDevices{.types = "array", .items = &kDeviceForms};

constexpr Field kEnvFileFields[] = {{"path", &kText}, {"format", &kText}, {"required", &kBooleanOrText}};
constexpr Words kEnvFileRequired = {"path"};
constexpr Shape kEnvFileLong{.types = "object", .fields = kEnvFileFields, .closed = true, .required = kEnvFileRequired};
constexpr Alternatives kEnvFileItemOf = {&kText, &kEnvFileLong};
constexpr Shape kEnvFileItem{.one_of = kEnvFileItemOf};
constexpr Shape kEnvFileList{.types = "array", .items = &kEnvFileItem};
constexpr Alternatives kEnvFileOf = {&kText, &kEnvFileList};
constexpr Shape kEnvFile{.one_of = kEnvFileOf};

constexpr Field kExtendsFields[] = {{"service", &kText}, {"file", &kText}};
constexpr Words kExtendsRequired = {"service"};
constexpr Shape kExtendsLong{.types = "object", .fields = kExtendsFields, .closed = true, .required = kExtendsRequired};
constexpr Alternatives kExtendsOf = {&kText, &kExtendsLong};
constexpr Shape kExtends{.one_of = kExtendsOf};

constexpr Field kLoggingFields[] = {{"driver", &kText}, {"options", &kLoggingOptions}};
constexpr Shape kLogging{.types = "object", .fields = kLoggingFields, .closed = true, .extensions = true};

constexpr Field kServiceNetworkFields[] = {{"aliases", &kUniqueTexts},        {"interface_name", &kText}, {"ipv4_address", &kText},   {"ipv6_address", &kText},
                                           {"link_local_ips", &kUniqueTexts}, {"mac_address", &kText},    {"driver_opts", &kOptions}, {"priority", &kNumber},
                                           {"gw_priority", &kNumber}};
constexpr Shape kServiceNetwork{.types = "object", .fields = kServiceNetworkFields, .closed = true, .extensions = true};
constexpr Alternatives kServiceNetworkOf = {&kServiceNetwork, &kNull};
constexpr Shape kServiceNetworkForms{.one_of = kServiceNetworkOf};
constexpr Shape kServiceNetworkMap{.types = "object", .keys = Keys::Name, .values = &kServiceNetworkForms, .closed = true};
constexpr Alternatives kServiceNetworksOf = {&kUniqueTexts, &kServiceNetworkMap};
constexpr Shape kServiceNetworks{.one_of = kServiceNetworksOf};

constexpr Field kPortFields[] = {{"name", &kText},                {"mode", &kText},     {"host_ip", &kText},    {"target", &kIntegerOrText},
                                 {"published", &kTextOrInteger}, {"protocol", &kText}, {"app_protocol", &kText}};
constexpr Shape kPortLong{.types = "object", .fields = kPortFields, .closed = true, .extensions = true};
constexpr Alternatives kPortOf = {&kNumber, &kText, &kPortLong};
constexpr Shape kPort{.one_of = kPortOf};
constexpr Shape kPorts{.types = "array", .items = &kPort, .unique = true};

constexpr Words kRecursions = {"enabled", "disabled", "writable", "readonly"};
constexpr Shape kRecursion{.types = "string", .allowed = kRecursions};
constexpr Words kRelabels = {"z", "Z"};
constexpr Shape kRelabel{.types = "string", .allowed = kRelabels};
constexpr Field kBindFields[] = {{"propagation", &kText}, {"create_host_path", &kBooleanOrText}, {"recursive", &kRecursion}, {"selinux", &kRelabel}};
constexpr Shape kBind{.types = "object", .fields = kBindFields, .closed = true, .extensions = true};
constexpr Field kVolumeOptionFields[] = {{"nocopy", &kBooleanOrText}, {"subpath", &kText}};
constexpr Shape kVolumeOptions{.types = "object", .fields = kVolumeOptionFields, .closed = true, .extensions = true};
constexpr Shape kNaturalInteger{.types = "integer", .minimum = 0};
constexpr Alternatives kTmpfsSizeOf = {&kNaturalInteger, &kText};
constexpr Shape kTmpfsSize{.one_of = kTmpfsSizeOf};
constexpr Field kTmpfsFields[] = {{"size", &kTmpfsSize}, {"mode", &kNumberOrText}};
constexpr Shape kTmpfs{.types = "object", .fields = kTmpfsFields, .closed = true, .extensions = true};
constexpr Field kImageOptionFields[] = {{"subpath", &kText}};
constexpr Shape kImageOptions{.types = "object", .fields = kImageOptionFields, .closed = true, .extensions = true};
constexpr Field kMountFields[] = {{"type", &kText},        {"source", &kText}, {"target", &kText},          {"read_only", &kBooleanOrText},
                                  {"consistency", &kText}, {"bind", &kBind},   {"volume", &kVolumeOptions}, {"tmpfs", &kTmpfs},
                                  {"image", &kImageOptions}};
constexpr Words kMountRequired = {"type"};
constexpr Shape kMount{.types = "object", .fields = kMountFields, .closed = true, .extensions = true, .required = kMountRequired};
constexpr Alternatives kMountOf = {&kText, &kMount};
constexpr Shape kMountForms{.one_of = kMountOf};
constexpr Shape kMounts{.types = "array", .items = &kMountForms, .unique = true};

constexpr Field kCredentialFields[] = {{"config", &kText}, {"file", &kText}, {"registry", &kText}};
constexpr Shape kCredential{.types = "object", .fields = kCredentialFields, .closed = true, .extensions = true};

constexpr Words kCgroups = {"host", "private"};
constexpr Shape kCgroup{.types = "string", .allowed = kCgroups};
constexpr Alternatives kCpuCountOf = {&kText, &kNaturalInteger};
constexpr Shape kCpuCount{.one_of = kCpuCountOf};
constexpr Shape kPercentInteger{.types = "integer", .minimum = 0, .maximum = 100};
constexpr Alternatives kCpuPercentOf = {&kText, &kPercentInteger};
constexpr Shape kCpuPercent{.one_of = kCpuPercentOf};
constexpr Shape kScoreInteger{.types = "integer", .minimum = -1000, .maximum = 1000};
constexpr Alternatives kOomScoreOf = {&kText, &kScoreInteger};
constexpr Shape kOomScore{.one_of = kOomScoreOf};
constexpr Words kPullPolicies = {"always", "never", "if_not_present", "build", "missing"};
constexpr Shape kPullPolicy{.types = "string", .allowed = kPullPolicies};
constexpr Shape kObject{.types = "object"};

constexpr Field kServiceFields[] = {
    {"develop", &kDevelop},
    {"deploy", &kDeploy},
    {"annotations", &kListOrEntries},
    {"attach", &kBooleanOrText},
    {"build", &kBuild},
    {"blkio_config", &kBlkio},
    {"cap_add", &kUniqueTexts},
    {"cap_drop", &kUniqueTexts},
    {"cgroup", &kCgroup},
    {"cgroup_parent", &kText},
    {"command", &kCommand},
    {"configs", &kFileReferences},
    {"container_name", &kText},
    {"cpu_count", &kCpuCount},
    {"cpu_percent", &kCpuPercent},
    {"cpu_shares", &kNumberOrText},
    {"cpu_quota", &kNumberOrText},
    {"cpu_period", &kNumberOrText},
    {"cpu_rt_period", &kNumberOrText},
    {"cpu_rt_runtime", &kNumberOrText},
    {"cpus", &kNumberOrText},
    {"cpuset", &kText},
    {"credential_spec", &kCredential},
    {"depends_on", &kDependsOn},
    {"device_cgroup_rules", &kUniqueTexts},
    {"devices", &kDevices},
    {"dns", &kTextOrList},
    {"dns_opt", &kUniqueTexts},
    {"dns_search", &kTextOrList},
    {"domainname", &kText},
    {"entrypoint", &kCommand},
    {"env_file", &kEnvFile},
    {"label_file", &kTextOrTexts},
    {"environment", &kListOrEntries},
    {"expose", &kTextsOrNumbers},
    {"extends", &kExtends},
    {"external_links", &kUniqueTexts},
    {"extra_hosts", &kExtraHosts},
    {"gpus", &kGpus},
    {"group_add", &kTextsOrNumbers},
    {"healthcheck", &kHealth},
    {"hostname", &kText},
    {"image", &kText},
    {"init", &kBooleanOrText},
    {"ipc", &kText},
    {"isolation", &kText},
    {"labels", &kListOrEntries},
    {"links", &kUniqueTexts},
    {"logging", &kLogging},
    {"mac_address", &kText},
    {"mem_limit", &kNumberOrText},
    {"mem_reservation", &kTextOrInteger},
    {"mem_swappiness", &kIntegerOrText},
    {"memswap_limit", &kNumberOrText},
    {"network_mode", &kText},
    {"networks", &kServiceNetworks},
    {"oom_kill_disable", &kBooleanOrText},
    {"oom_score_adj", &kOomScore},
    {"pid", &kTextOrNull},
    {"pids_limit", &kNumberOrText},
    {"platform", &kText},
    {"ports", &kPorts},
    {"post_start", &kHooks},
    {"pre_stop", &kHooks},
    {"privileged", &kBooleanOrText},
    {"profiles", &kUniqueTexts},
    {"pull_policy", &kPullPolicy},
    {"read_only", &kBooleanOrText},
    {"restart", &kText},
    {"runtime", &kText},
    {"scale", &kIntegerOrText},
    {"security_opt", &kUniqueTexts},
    {"shm_size", &kNumberOrText},
    {"secrets", &kFileReferences},
    {"sysctls", &kListOrEntries},
    {"stdin_open", &kBooleanOrText},
    {"stop_grace_period", &kText},
    {"stop_signal", &kText},
    {"storage_opt", &kObject},
    {"tmpfs", &kTextOrList},
    {"tty", &kBooleanOrText},
    {"ulimits", &kUlimits},
    {"use_api_socket", &kBoolean},
    {"user", &kText},
    {"uts", &kText},
    {"userns_mode", &kText},
    {"volumes", &kMounts},
    {"volumes_from", &kUniqueTexts},
    {"working_dir", &kText},
    // Known, so that compose/hosts.cc can say why they are refused.
    {"models", &kAnything},
    {"provider", &kAnything},
    {"pull_refresh_after", &kAnything},
};
constexpr Shape kService{.types = "object", .fields = kServiceFields, .closed = true, .extensions = true};
constexpr Shape kServices{.types = "object", .keys = Keys::Name, .values = &kService, .closed = true};

constexpr Field kExternalFields[] = {{"name", &kText}};
constexpr Shape kExternal{.types = "boolean,string,object", .fields = kExternalFields, .closed = true, .extensions = true};
constexpr Shape kOpenExternal{.types = "boolean,string,object", .fields = kExternalFields};

constexpr Field kPoolFields[] = {{"subnet", &kText}, {"ip_range", &kText}, {"gateway", &kText}, {"aux_addresses", &kTextMap}};
constexpr Shape kPool{.types = "object", .fields = kPoolFields, .closed = true, .extensions = true};
constexpr Shape kPools{.types = "array", .items = &kPool};
constexpr Field kIpamFields[] = {{"driver", &kText}, {"config", &kPools}, {"options", &kTextMap}};
constexpr Shape kIpam{.types = "object", .fields = kIpamFields, .closed = true, .extensions = true};
constexpr Field kNetworkFields[] = {{"name", &kText},
                                    {"driver", &kText},
                                    {"driver_opts", &kOptions},
                                    {"ipam", &kIpam},
                                    {"external", &kExternal},
                                    {"internal", &kBooleanOrText},
                                    {"enable_ipv4", &kBooleanOrText},
                                    {"enable_ipv6", &kBooleanOrText},
                                    {"attachable", &kBooleanOrText},
                                    {"labels", &kListOrEntries}};
constexpr Shape kNetwork{.types = "object,null", .fields = kNetworkFields, .closed = true, .extensions = true};
constexpr Shape kNetworks{.types = "object", .keys = Keys::Name, .values = &kNetwork};

constexpr Field kVolumeFields[] = {{"name", &kText}, {"driver", &kText}, {"driver_opts", &kOptions}, {"external", &kExternal}, {"labels", &kListOrEntries}};
constexpr Shape kVolume{.types = "object,null", .fields = kVolumeFields, .closed = true, .extensions = true};
constexpr Shape kVolumes{.types = "object", .keys = Keys::Name, .values = &kVolume, .closed = true};

constexpr Field kSecretFields[] = {{"name", &kText},           {"environment", &kText}, {"file", &kText},            {"external", &kOpenExternal},
                                   {"labels", &kListOrEntries}, {"driver", &kText},      {"driver_opts", &kOptions}, {"template_driver", &kText}};
constexpr Shape kSecret{.types = "object", .fields = kSecretFields, .closed = true, .extensions = true};
constexpr Shape kSecrets{.types = "object", .keys = Keys::Name, .values = &kSecret, .closed = true};

constexpr Field kConfigFields[] = {{"name", &kText},         {"content", &kText},          {"environment", &kText},    {"file", &kText},
                                   {"external", &kOpenExternal}, {"labels", &kListOrEntries}, {"template_driver", &kText}};
constexpr Shape kConfig{.types = "object", .fields = kConfigFields, .closed = true, .extensions = true};
constexpr Shape kConfigs{.types = "object", .keys = Keys::Name, .values = &kConfig, .closed = true};

constexpr Field kIncludeFields[] = {{"path", &kTextOrList}, {"env_file", &kTextOrList}, {"project_directory", &kText}};
constexpr Shape kIncludeLong{.types = "object", .fields = kIncludeFields, .closed = true};
constexpr Alternatives kIncludeOf = {&kText, &kIncludeLong};
constexpr Shape kIncludeItem{.one_of = kIncludeOf};
constexpr Shape kInclude{.types = "array", .items = &kIncludeItem};

constexpr Field kProjectFields[] = {{"version", &kText},      {"name", &kText},       {"include", &kInclude}, {"services", &kServices}, {"networks", &kNetworks},
                                    {"volumes", &kVolumes}, {"secrets", &kSecrets}, {"configs", &kConfigs}, {"models", &kAnything}};
}  // namespace

constinit const Shape kProjectShape{.types = "object", .fields = kProjectFields, .closed = true, .extensions = true};

}  // namespace proa::compose
