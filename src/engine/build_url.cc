#include <fcntl.h>
#include <sys/stat.h>

#include "base/text.h"
#include "codec/digest.h"
#include "engine/build_downloads.h"
#include "engine/transfers.h"
#include "http/message.h"
#include "os/file.h"

namespace proa::engine {

namespace {
std::string last_part(std::string_view path) {
    std::string name(path.substr(path.rfind('/') + 1));
    return name == "." || name == ".." || name.find('\0') != name.npos ? "" : name;
}

/// "https://user:password@host/path" without its user, who goes into `credentials`.
std::string without_user(const std::string& url, registry::Credentials& credentials) {
    size_t begin = url.find("://") + 3, end = url.find_first_of("/?#", begin), at = url.rfind('@', end);
    if (at == url.npos || at < begin) return url;
    std::string_view user = std::string_view(url).substr(begin, at - begin);
    auto pair = cut(user, ":");
    credentials.username = percent_decode(pair ? pair->first : user, false);
    if (pair) credentials.password = registry::Secret(percent_decode(pair->second, false));
    return url.substr(0, begin) + url.substr(at + 1);
}

/// Of "Mon, 02 Jan 2006 15:04:05 GMT"; 0 for any other text.
time_t unix_seconds(std::string_view date) {
    tm utc{};
    std::string text(date);
    const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
    return end && *end == 0 ? ::timegm(&utc) : 0;
}

Error refused(const std::string& url, const registry::Response& answer) {
    ErrorKind kind = ErrorKind::Internal;
    if (answer.status == 400) kind = ErrorKind::InvalidArgument;
    if (answer.status == 401) kind = ErrorKind::Unauthorized;
    if (answer.status == 403) kind = ErrorKind::Forbidden;
    if (answer.status == 404) kind = ErrorKind::NotFound;
    auto name = http::status_text(answer.status);
    return Error(kind, concat("failed to GET ", url, " with status ", answer.status, name.empty() ? "" : " ", name, ": ", trim(answer.body)));
}
}  // namespace

std::string download_name(const std::string& url, std::string_view disposition) {
    size_t host = url.find("://");
    std::string_view path = std::string_view(url).substr(host == url.npos ? 0 : host + 3);
    path = path.substr(0, path.find_first_of("?#"));
    std::string name;
    if (auto slash = path.find('/'); slash != path.npos) name = last_part(percent_decode(path.substr(slash), false));
    if (!name.empty()) return name;
    for (auto& parameter : split(disposition, ';')) {
        auto pair = cut(trim(parameter), "=");
        if (!pair || !equals_ignoring_case(trim(pair->first), "filename")) continue;
        std::string value(trim(pair->second));
        if (value.size() > 1 && value.starts_with('"') && value.ends_with('"')) value = value.substr(1, value.size() - 2);
        return last_part(value);
    }
    return "";
}

Result<Fetched> fetch_url(Parts& parts, const std::string& given, const std::string& into, const FetchOptions& options) {
    codec::Digest wanted;
    if (!options.checksum.empty()) wanted = TRY(codec::Digest::parse(options.checksum));
    auto config = registry_config(*parts.settings());
    registry::Credentials credentials;
    std::string url = without_user(given, credentials);
    std::string shown = url.substr(0, url.find('#'));
    bool with_user = !credentials.username.empty();
    registry::Session session(TRY(parts.transfers.session()), config, credentials, options.cancelled);
    registry::Endpoint endpoint{url.substr(0, url.find_first_of("/?#", url.find("://") + 3)), false, TRY(registry::trust_for(config, registry::host_of(url)))};

    Fetched fetched{.directory = into, .file = "content", .name = {}};
    std::string path = into + "/content";
    os::Fd file;
    codec::Hasher hasher(wanted.empty() ? codec::DigestAlgorithm::Sha256 : wanted.algorithm());
    TransferProgress progress(options.progress, options.cancelled);
    Pace pace;
    uint64_t total = 0, came = 0;
    registry::Request request{.url = shown};
    request.any_status = true;
    request.probe = !with_user;
    request.head = [&](int, const http::Headers& headers) -> Result<void> {
        // Also the beginning of another attempt.
        file = TRY(os::open_file(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600));
        (void)hasher.finish();
        came = 0;
        total = parse_uint(headers.get("Content-Length")).value_or(0);
        return {};
    };
    request.sink = [&](std::string_view bytes) -> Result<void> {
        came += bytes.size();
        hasher.update(bytes);
        if (options.progress && pace.due()) progress.moved("", "Downloading", came, total);
        return os::write_all(file.get(), bytes);
    };
    auto answer = TRY(session.call(endpoint, request));
    if (answer.status >= 300) return fail(refused(shown, answer));
    auto digest = hasher.finish();
    if (!wanted.empty() && digest != wanted) return fail(ErrorKind::InvalidArgument, concat("digest mismatch ", digest.text(), ": ", wanted.text()));
    if (options.progress) progress.moved("", "Downloading", came, came);
    timespec modified{unix_seconds(answer.headers.get("Last-Modified")), 0};
    timespec times[2] = {modified, modified};
    if (::futimens(file.get(), times) < 0) return fail_errno("futimens", path);
    fetched.name = download_name(answer.url, answer.headers.get("Content-Disposition"));
    if (std::string asked = download_name(shown, ""); !asked.empty()) fetched.name = asked;
    fetched.plain_text = to_lower(answer.headers.get("Content-Type")).starts_with("text/plain");
    return fetched;
}

}  // namespace proa::engine
