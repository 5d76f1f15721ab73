// SPDX-License-Identifier: Apache-2.0
#include "agent/export/exposition.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <iterator>

namespace tcpadvisor::exported {
namespace {

/// In a quoted label value, and in the help of OpenMetrics. The help of 0.0.4 leaves quotes as they are.
std::string escaped(std::string_view text, bool quotes) {
  std::string out;
  for (char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || (c == '"' && quotes)) out += '\\';
    out += c;
  }
  return out;
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  constexpr double kExact = 0x1p53;
  if (std::abs(value) < kExact && std::trunc(value) == value)
    return fmt::format("{}", static_cast<std::int64_t>(value));
  return fmt::format("{}", value);
}

/// The same in both forms, so that a scrape in the other one continues the series.
std::string edge(double value) {
  std::string text = number(value);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

class Writer {
 public:
  explicit Writer(Exposition form) : open_metrics_(form == Exposition::open_metrics) {}

  void write(const Family& family) {
    if (family.points().empty() && family.histograms().empty()) return;
    head(family);
    for (const auto& [labels, value] : family.points()) line(family.name, family.labels, labels, "", number(value));
    for (const auto& [labels, histogram] : family.histograms()) write(family, labels, histogram);
  }

  std::string take() {
    if (open_metrics_) out_ += "# EOF\n";
    return std::move(out_);
  }

 private:
  void head(const Family& family) {
    std::string name = family.name;
    if (open_metrics_ && name.ends_with("_total")) name.resize(name.size() - std::string_view("_total").size());
    auto out = std::back_inserter(out_);
    fmt::format_to(out, "# HELP {} {}\n# TYPE {} {}\n", name, escaped(family.help, open_metrics_), name,
                   name_of(family.type));
    if (open_metrics_ && !family.unit.empty()) fmt::format_to(out, "# UNIT {} {}\n", name, family.unit);
  }

  void write(const Family& family, const Labels& labels, const Histogram& histogram) {
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
      count += histogram.counts[i];
      line(family.name + "_bucket", family.labels, labels, i < family.edges.size() ? edge(family.edges[i]) : "+Inf",
           number(static_cast<double>(count)));
    }
    line(family.name + "_sum", family.labels, labels, "", number(histogram.sum));
    line(family.name + "_count", family.labels, labels, "", number(static_cast<double>(count)));
  }

  void line(std::string_view name, const std::vector<std::string>& names, const Labels& values, std::string_view le,
            std::string_view value) {
    out_ += name;
    char before = '{';
    for (std::size_t i = 0; i < names.size() && i < values.size(); ++i) {
      fmt::format_to(std::back_inserter(out_), "{}{}=\"{}\"", before, names[i], escaped(values[i], true));
      before = ',';
    }
    if (!le.empty()) {
      fmt::format_to(std::back_inserter(out_), "{}le=\"{}\"", before, le);
      before = ',';
    }
    if (before == ',') out_ += '}';
    fmt::format_to(std::back_inserter(out_), " {}\n", value);
  }

  const bool open_metrics_;
  std::string out_;
};

}  // namespace

std::string_view media_type_of(Exposition form) {
  return form == Exposition::open_metrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                          : "text/plain; version=0.0.4; charset=utf-8";
}

std::string exposition_of(const std::deque<Family>& families, Exposition form) {
  Writer writer(form);
  for (const Family& family : families) writer.write(family);
  return writer.take();
}

}  // namespace tcpadvisor::exported
