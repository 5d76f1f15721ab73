// SPDX-License-Identifier: Apache-2.0
#include "advisor/report/html_card.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <vector>

#include "advisor/knobs/knobs.h"
#include "advisor/report/escape.h"
#include "advisor/report/finding_json.h"
#include "advisor/report/report_words.h"
#include "advisor/report/svg.h"

namespace tcpadvisor {
namespace {

std::string code(std::string_view text) {
  return fmt::format("<code>{}</code>", html_text(text));
}

void add_part(std::string& out, std::string_view heading, std::string_view text) {
  if (!text.empty()) out += fmt::format("<h4>{}</h4>\n<p>{}</p>\n", heading, html_text(text));
}

void add_pictures(std::string& out, const Pictures& pictures, const std::string& anchor) {
  if (pictures.courses.empty() && !pictures.chain) return;
  out += "<div class=\"pictures\">\n";
  std::size_t number = 0;
  auto add = [&](const std::string& caption, const std::string& svg) {
    out += fmt::format("<figure>{}<figcaption>{}</figcaption></figure>\n", svg, html_text(caption));
  };
  auto id = [&] { return fmt::format("{}-p{}", anchor, ++number); };
  if (pictures.chain) add("Where the bytes stand, from who writes to who reads", svg_chain(*pictures.chain, id()));
  for (const Course& course : pictures.courses) add(course.name, svg_course(course, id()));
  out += "</div>\n";
}

void add_evidence(std::string& out, const std::vector<Measurement>& evidence) {
  out +=
      "<h4>Measured</h4>\n<table class=\"narrow\"><thead><tr><th scope=\"col\">What</th><th scope=\"col\" "
      "class=\"number\">Value</th><th scope=\"col\" class=\"number\">Threshold</th><th scope=\"col\">Source</th></tr>"
      "</thead><tbody>\n";
  for (const Measurement& part : evidence) {
    out += fmt::format(
        "<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td><td class=\"number\">{}</td><td "
        "class=\"soft\">{}</td></tr>\n",
        html_text(metric_text(part.metric)), html_text(value_text(part.value, part.unit)),
        part.threshold ? html_text(value_text(*part.threshold, part.unit)) : "", html_text(part.source));
  }
  out += "</tbody></table>\n";
}

void add_change(std::string& out, const Recommendation& cure) {
  if (!cure.change) return;
  const Change& change = *cure.change;
  const ChangeText text = text_of(change);
  out += "<h4>The setting</h4>\n<dl class=\"facts\">\n";
  auto add = [&](std::string_view name, const std::string& html) {
    out += fmt::format("<dt>{}</dt><dd>{}</dd>\n", name, html);
  };
  add("Name", code(change.knob));
  add("Where", html_text(text.scope));
  add("Now", code(values_text(change.current)));
  add("Advised", fmt::format("{}, between {} and {}", code(values_text(change.target)), code(values_text(change.lower)),
                             code(values_text(change.upper))));
  if (const Knob* knob = find_knob(change.knob); knob != nullptr) {
    add("Kernel's default", html_text(knob->kernel_default));
    add("Acts on", html_text(takes_effect_text(*knob)));
    add("Risk", html_text(risk_text(*knob)));
  }
  add("Safe by itself", html_text(applicability_text(cure.applicability)));
  add("Apply", code(text.apply));
  add("Keep", html_text(text.persist));
  add("Take back", code(text.rollback));
  if (const std::string by = set_by_text(cure); !by.empty()) add("Set by", html_text(by));
  out += "</dl>\n";
}

void add_cure(std::string& out, const Finding& finding) {
  const Recommendation& cure = finding.recommendation;
  add_part(out, "What to do", cure.text);
  if (!cure.steps.empty()) {
    out += "<ul>\n";
    for (const std::string& step : cure.steps) out += fmt::format("<li>{}</li>\n", html_text(step));
    out += "</ul>\n";
  }
  add_change(out, cure);
  add_part(out, "How the number comes about", cure.formula);
  if (!finding.not_useful.empty()) {
    out += "<h4>Not useful</h4>\n<ul>\n";
    for (const NotUseful& useless : finding.not_useful)
      out += fmt::format("<li>{}: {}</li>\n", code(useless.knob), html_text(useless.why));
    out += "</ul>\n";
  }
  add_part(out, "Verify", cure.verify);
}

}  // namespace

std::string html_anchor(std::string_view instance) {
  std::string out = "f-";
  for (char c : instance) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) out += c;
  }
  return out;
}

std::string html_word(std::string_view word) {
  std::string kind(word);
  std::ranges::replace(kind, ' ', '-');
  return fmt::format("<span class=\"word {}\">{}</span>", kind, word);
}

std::string html_card(const Finding& finding, const Pictures* pictures) {
  const std::string anchor = html_anchor(finding.instance);
  std::string out = fmt::format("<article class=\"card {}\" id=\"{}\" aria-labelledby=\"{}-h\">\n",
                                name_of(finding.severity), anchor, anchor);
  out += fmt::format("<h3 id=\"{}-h\">{} {}</h3>\n", anchor, html_word(name_of(finding.severity)),
                     html_text(finding.title));
  out += fmt::format("<p class=\"soft\">{}</p>\n", html_text(scope_text(finding.scope)));
  if (!finding.cause.empty())
    out += fmt::format("<p>Caused by <a href=\"#{}\">another finding</a>.</p>\n", html_anchor(finding.cause));
  if (pictures != nullptr) add_pictures(out, *pictures, anchor);
  add_part(out, "What it means", finding.meaning);
  add_cure(out, finding);
  add_evidence(out, finding.evidence);
  out += fmt::format("<p class=\"soft\">Rule {}, finding {}; confidence {}", code(finding.id), code(finding.instance),
                     name_of(finding.confidence));
  if (!finding.confidence_why.empty()) out += ": " + html_text(finding.confidence_why);
  out += ".";
  if (!finding.references.empty())
    out += html_text(fmt::format(" Read more: {}.", fmt::join(finding.references, "; ")));
  return out + "</p>\n</article>\n";
}

}  // namespace tcpadvisor
