#pragma once
#include <string_view>

namespace proa::log {

enum class Level { Trace, Debug, Info, Warn, Error, Fatal };
enum class Format { Text, Json };

/// Lines go to standard error in logrus' form: time="..." level=info msg="...". Thread-safe, one write(2) a line.
void set_level(Level level);
void set_format(Format format);
Level level();
/// "trace" "debug" "info" "warn" "warning" "error" "fatal" "panic"; false when the name is none of them.
bool level_from_name(std::string_view name, Level& level);

void write(Level level, std::string_view message);
inline void debug(std::string_view message) { write(Level::Debug, message); }
inline void info(std::string_view message) { write(Level::Info, message); }
inline void warn(std::string_view message) { write(Level::Warn, message); }
inline void error(std::string_view message) { write(Level::Error, message); }

}  // namespace proa::log
