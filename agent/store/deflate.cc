// SPDX-License-Identifier: Apache-2.0
#include <zlib.h>

#include <algorithm>
#include <array>

#include "agent/store/pack.h"

namespace tcpadvisor::store {
namespace {

constexpr int kLevel = 6;
constexpr std::size_t kStep = 64 << 10;

Bytef* bytes_of(std::string_view text) {  // zlib does not write there
  return reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
}

}  // namespace

std::string deflated(std::string_view plain) {
  uLongf size = compressBound(plain.size());
  std::string out(size, '\0');
  if (compress2(bytes_of(out), &size, bytes_of(plain), plain.size(), kLevel) != Z_OK) return {};
  out.resize(size);
  return out;
}

Result<std::string> inflated(std::string_view bytes, std::size_t most) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) return fail(ErrorCode::failed, "zlib does not start");
  stream.next_in = bytes_of(bytes);
  stream.avail_in = static_cast<uInt>(std::min<std::size_t>(bytes.size(), 1u << 31));
  std::string out;
  std::array<char, kStep> step;
  int result = Z_OK;
  while (result == Z_OK && out.size() <= most) {
    stream.next_out = reinterpret_cast<Bytef*>(step.data());
    stream.avail_out = step.size();
    result = inflate(&stream, Z_NO_FLUSH);
    out.append(step.data(), step.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  if (result != Z_STREAM_END || out.size() > most) {
    return fail(ErrorCode::bad_input, result == Z_OK ? "is larger than a tick can be" : "is damaged");
  }
  return out;
}

}  // namespace tcpadvisor::store
