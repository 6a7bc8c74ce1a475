#pragma once
#include <string_view>

// The labels by which all tools know a project's things again.
namespace proa::compose {

inline constexpr std::string_view kProjectLabel = "com.docker.compose.project";
inline constexpr std::string_view kServiceLabel = "com.docker.compose.service";
inline constexpr std::string_view kNumberLabel = "com.docker.compose.container-number";
inline constexpr std::string_view kOneOffLabel = "com.docker.compose.oneoff";  ///< "True" or "False"
inline constexpr std::string_view kSlugLabel = "com.docker.compose.slug";
inline constexpr std::string_view kConfigHashLabel = "com.docker.compose.config-hash";
inline constexpr std::string_view kImageLabel = "com.docker.compose.image";
inline constexpr std::string_view kDependsOnLabel = "com.docker.compose.depends_on";
inline constexpr std::string_view kWorkingDirLabel = "com.docker.compose.project.working_dir";
inline constexpr std::string_view kConfigFilesLabel = "com.docker.compose.project.config_files";
inline constexpr std::string_view kEnvironmentFileLabel = "com.docker.compose.project.environment_file";
inline constexpr std::string_view kVersionLabel = "com.docker.compose.version";
inline constexpr std::string_view kReplaceLabel = "com.docker.compose.replace";
inline constexpr std::string_view kNetworkLabel = "com.docker.compose.network";
inline constexpr std::string_view kVolumeLabel = "com.docker.compose.volume";

/// Ours: a short hash of each key of the service, so that a plan can name the key that changed.
inline constexpr std::string_view kFieldHashesLabel = "proa.compose.field-hashes";

}  // namespace proa::compose
