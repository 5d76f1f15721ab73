// SPDX-License-Identifier: Apache-2.0
// Options whose text is parsed by a function that says what is wrong with it. For the files that define options only.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <initializer_list>
#include <string>
#include <utility>

#include "advisor/base/result.h"
#include "advisor/base/text.h"

namespace tcpadvisor::cli {

template <typename T>
using Words = std::initializer_list<std::pair<const char*, T>>;

template <typename T>
Result<T> one_of(const std::string& text, Words<T> words) {
  std::string known;
  for (const auto& [word, value] : words) {
    if (text == word) return value;
    known += (known.empty() ? "" : ", ") + std::string(word);
  }
  return fail(ErrorCode::bad_input, fmt::format("'{}' is not known: write one of {}", printable(text), known));
}

/// An option whose text goes through `parse`; its error becomes the usage error.
template <typename Target, typename Parse>
CLI::Option* add_parsed(CLI::App& app, const std::string& name, Target& target, Parse parse, const std::string& help,
                        const std::string& type) {
  auto store = [&target, parse, name](const std::string& text) {
    auto value = parse(text);
    if (!value) throw CLI::ValidationError(name, value.error().message);
    target = *value;
  };
  return app.add_option_function<std::string>(name, store, help)
      ->type_name(type)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

}  // namespace tcpadvisor::cli
