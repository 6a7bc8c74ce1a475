#pragma once
#include "http/connection.h"

namespace proa::http {

/// Runs `handler` for the request that stands ready on `connection`; an exception becomes an answer of 500 and a line in
/// the log. True: the connection waits for its next request. False: it is given away or of no further use.
bool run_handler(Connection& connection, const Handler& handler);

}  // namespace proa::http
