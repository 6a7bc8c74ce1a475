#pragma once
#include <memory>

#include "codec/stream.h"

namespace proa::cli {

/// Gzip of what is written, by the zlib that is part of the program: codec/'s writers would bring shared libraries to every start.
class GzipSink : public codec::Sink {
public:
    explicit GzipSink(codec::Sink& out);
    ~GzipSink() override;
    Result<void> write(std::string_view bytes) override;
    Result<void> finish();

private:
    struct State;
    Result<void> pump(std::string_view bytes, int flush);
    codec::Sink& out_;
    std::unique_ptr<State> state_;
};

}  // namespace proa::cli
