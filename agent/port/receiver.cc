// SPDX-License-Identifier: Apache-2.0
#include "agent/port/receiver.h"

#include <algorithm>

namespace tcpadvisor::port {

void Receiver::add(std::string_view bytes) {
  if (taken_ > 0 && taken_ >= buffered_.size() / 2) {
    buffered_.erase(0, taken_);
    taken_ = 0;
  }
  buffered_.append(bytes);
}

void Receiver::clear() {
  // There may be very many idle ports, so memory is kept only while there is something in it.
  std::string().swap(buffered_);
  taken_ = 0;
}

std::optional<std::string> Receiver::take(int packet, std::size_t bytes) {
  auto header = static_cast<std::size_t>(packet);
  std::string_view rest = std::string_view(buffered_).substr(taken_);
  std::size_t length = bytes;
  if (header > 0) {
    if (rest.size() < header) return std::nullopt;
    length = 0;
    for (char byte : rest.substr(0, header)) length = length << 8 | static_cast<unsigned char>(byte);
  } else if (bytes == 0) {
    length = rest.size();
    if (length == 0) return std::nullopt;
  }
  if (rest.size() - header < length) return std::nullopt;
  std::string message(rest.substr(header, length));
  taken_ += header + length;
  if (taken_ == buffered_.size()) clear();
  return message;
}

std::size_t Receiver::room(int packet, std::size_t user_buffer) const {
  if (packet == 0 && waiting && waiting->bytes > buffered()) return waiting->bytes - buffered();
  return std::max<std::size_t>(user_buffer, 1);
}

std::string packet_header(int packet, std::size_t bytes) {
  std::string header(static_cast<std::size_t>(packet), '\0');
  for (std::size_t i = header.size(); i-- > 0; bytes >>= 8) header[i] = static_cast<char>(bytes & 0xff);
  return header;
}

}  // namespace tcpadvisor::port
