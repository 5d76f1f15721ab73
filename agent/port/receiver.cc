// SPDX-License-Identifier: Apache-2.0
#include "agent/port/receiver.h"

#include <algorithm>

namespace tcpadvisor::port {

std::optional<std::string> Receiver::take(int packet, std::size_t bytes) {
  auto header = static_cast<std::size_t>(packet);
  std::size_t length = bytes;
  if (header > 0) {
    if (buffered_.size() < header) return std::nullopt;
    length = 0;
    for (std::size_t i = 0; i < header; ++i) length = length << 8 | static_cast<unsigned char>(buffered_[i]);
  } else if (bytes == 0) {
    length = buffered_.size();
    if (length == 0) return std::nullopt;
  }
  if (buffered_.size() < header + length) return std::nullopt;
  std::string message = buffered_.substr(header, length);
  buffered_.erase(0, header + length);
  return message;
}

std::size_t Receiver::room(int packet, std::size_t user_buffer) const {
  if (packet == 0 && waiting && waiting->bytes > buffered_.size()) return waiting->bytes - buffered_.size();
  return std::max<std::size_t>(user_buffer, 1);
}

std::string packet_header(int packet, std::size_t bytes) {
  std::string header(static_cast<std::size_t>(packet), '\0');
  for (std::size_t i = header.size(); i-- > 0; bytes >>= 8) header[i] = static_cast<char>(bytes & 0xff);
  return header;
}

}  // namespace tcpadvisor::port
