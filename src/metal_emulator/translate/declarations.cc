// Finds declarations: what C++ lacks is recorded (attributes, kernels, explicit instances) or dropped (functions that differ
// from others by address space only).
#include <algorithm>

#include "src/metal_emulator/translate/translator.h"

namespace flashtile::metal_emulator {

bool is_address_space(const std::string& word) {
  return word == "device" || word == "constant" || word == "thread" || word == "threadgroup";
}

void Translator::scan(int begin, int end, const Scope& scope) {
  while (begin < end) begin = declaration(begin, end, scope);
}

int Translator::declaration(int begin, int end, const Scope& scope) {
  const Tokens& t = tokens_;
  if (t.is(begin, ";") || t.is(begin, "}")) return begin + 1;
  if (t.is(begin, "using") || t.is(begin, "static_assert") || t.is(begin, "typedef") ||
      (t.is(begin, "namespace") && t.is(begin + 2, "="))) {
    while (begin < end && !t.is(begin, ";")) begin = t.past(begin);
    return begin + 1;
  }
  if ((t.is(begin, "public") || t.is(begin, "private") || t.is(begin, "protected")) && t.is(begin + 1, ":"))
    return begin + 2;

  int after_template = begin;
  bool is_instance = false;
  while (t.is(after_template, "template")) {
    const int past = t.is(after_template + 1, "<") ? t.past_angles(after_template + 1) : -1;
    is_instance = past < 0;
    after_template = past < 0 ? after_template + 1 : past;
  }
  const Head head = head_of(after_template, end);
  using Kind = Head::Kind;
  const bool is_linkage = t.is(begin, "extern") && head.body >= 0 && head.parameters < 0;
  if ((head.kind == Kind::name_space || is_linkage) && head.body >= 0) {
    std::string name;  // without `inline`, which may stand before it or inside it
    for (int p = after_template; !is_linkage && p < head.body; ++p)
      if (!t.is(p, "namespace") && !t.is(p, "inline")) name += t[p];
    scan(head.body + 1, head.end - 1,
         {scope.path + "::" + name, name.empty() ? scope.qualifier : scope.qualifier + name + "::"});
  } else if (is_instance) {
    explicit_instance(begin, head.end, scope);
  } else if (head.kind == Kind::type && head.body >= 0) {
    const std::string own = scope.path + "/" + signature(begin, head.body);
    const bool specialisation = t.text(after_template, head.body).find('<') != std::string::npos;
    int past = head.end;
    while (past < end && !t.is(past, ";")) past = t.past(past);
    if (specialisation && is_twin(own, begin, past + 1)) return past + 1;
    scan(head.body + 1, head.end - 1, {own, "", true});
    return past + 1;
  } else if (head.kind == Kind::function && head.parameters >= 0) {
    // A specialisation inside its class is for clang alone; a plain overload is preferred for the same arguments.
    if (scope.is_class && t.is(begin, "template") && t.is(begin + 1, "<") && t.is(begin + 2, ">"))
      tokens_.remove(begin, begin + 3);
    function(begin, head, scope);
  } else {
    variable(begin, head.end, scope);
  }
  return head.end;
}

/// What kind of declaration starts here, where its parameters and its body open, and where it ends.
Translator::Head Translator::head_of(int begin, int end) const {
  const Tokens& t = tokens_;
  using Kind = Head::Kind;
  Head head;
  int p = begin;
  for (; p < end; p = p < 0 ? end : p) {
    const std::string& text = t[p];
    if (head.kind == Kind::unknown && head.parameters < 0) {
      if (text == "namespace") head.kind = Kind::name_space;
      if (text == "enum") head.kind = Kind::enumeration;
      if (text == "struct" || text == "class" || text == "union") head.kind = Kind::type;
    }
    if (text == "=" && head.parameters < 0 && head.kind != Kind::type) head.kind = Kind::variable;
    if (text == "operator" && head.kind == Kind::unknown) {
      head.kind = Kind::function;
      ++p;
      while (!t.is(p, "(") || (t.is(p + 1, ")") && t.is(p + 2, "("))) p += t.is(p, "(") ? 2 : 1;
      continue;
    }
    if (text == "(") {
      const std::string& before = t[p - 1];
      const bool names_function =
          (t.is_word(p - 1) && before != "decltype" && before != "__attribute__" && before != "alignas") ||
          before == ">" || (p > begin && head.kind == Kind::function);
      const bool open_kind =
          head.kind == Kind::unknown || head.kind == Kind::function || head.kind == Kind::type;
      if (head.parameters < 0 && open_kind && names_function) {
        head.parameters = p;
        head.kind = Kind::function;
      }
      p = t.past(p);
    } else if (text == "[[" || text == "[") {
      p = t.past(p);
    } else if (text == "<" && head.kind != Kind::variable && t.past_angles(p) >= 0) {
      p = t.past_angles(p);
    } else if (text == ":" && head.kind == Kind::function && head.parameters >= 0) {
      p = past_initialisers(p);
    } else if (text == "{") {
      if (head.kind == Kind::variable || (head.kind == Kind::unknown && !t.is(begin, "extern"))) {
        p = t.past(p);
        continue;
      }
      head.body = p;
      head.end = t.past(p);
      return head;
    } else if (text == ";") {
      break;
    } else {
      ++p;
    }
  }
  head.end = std::min(p + 1, end);
  return head;
}

/// Past a constructor's initialisers, at its body.
int Translator::past_initialisers(int colon) const {
  int p = colon + 1;
  for (;;) {
    while (p < tokens_.size() && !tokens_.is(p, "(") && !tokens_.is(p, "{"))
      p = tokens_.is(p, "<") && tokens_.past_angles(p) >= 0 ? tokens_.past_angles(p) : p + 1;
    if (p >= tokens_.size()) return p;
    p = tokens_.past(p);
    if (!tokens_.is(p, ",")) return p;
    ++p;
  }
}

/// The text of a declaration without what C++ does not see.
std::string Translator::signature(int begin, int end) const {
  std::string text;
  for (int p = begin; p < end; ++p)
    if (!tokens_.removed(p) && !is_address_space(tokens_[p]) && !tokens_.is(p, "kernel"))
      text += tokens_[p] + " ";
  return text;
}

/// Whether the declaration was there before but for its address spaces. It is dropped when it also does the same, or else
/// refused, since C++ could not tell which of the two is meant.
bool Translator::is_twin(const std::string& own, int begin, int end) {
  const std::string whole = signature(begin, end);
  const auto [seen, is_new] = signatures_.try_emplace(own, Seen{whole, begin});
  if (is_new) return false;
  if (seen->second.text != whole)
    tokens_.fail(begin,
                 "this differs from line " + std::to_string(tokens_.line(seen->second.position)) +
                     " only by address space, and does something else, which the emulator cannot tell apart");
  tokens_.remove(begin, end);
  return true;
}

void Translator::function(int begin, const Head& head, const Scope& scope) {
  const int close = tokens_.match(head.parameters), body_or_end = head.body >= 0 ? head.body : head.end - 1;
  const Attributes attributes = take_attributes(begin, head.parameters);
  bool is_kernel = attributes.count("kernel") > 0;
  for (int p = begin; p < head.parameters; ++p) is_kernel = is_kernel || tokens_.is(p, "kernel");
  for (int p = close + 1; p < body_or_end && !tokens_.is(p, ":"); ++p)
    if (is_address_space(tokens_[p])) tokens_.remove(p, p + 1);
  if (head.body < 0) return;
  const std::string name = tokens_[head.parameters - 1];
  if (is_twin(scope.path + "/" + signature(begin, body_or_end), begin, head.end)) return;
  if (is_kernel) {
    KernelFunction kernel{scope.qualifier + name, head.parameters - 1, tokens_.is(begin, "template")};
    const auto limit = attributes.find("max_total_threads_per_threadgroup");
    const auto exact = attributes.find("required_threads_per_threadgroup");
    if (limit != attributes.end()) kernel.most_threads = limit->second;
    if (exact != attributes.end()) kernel.most_threads = exact->second;
    if (kernel.is_template && kernel.most_threads != "0") {  // may depend on the arguments
      kernel.most_threads_of = "metal_most_threads_" + name;
      tokens_.insert_before(begin, tokens_.text(begin, tokens_.past_angles(begin + 1)) +
                                       " static constexpr uint " + kernel.most_threads_of + " = " +
                                       kernel.most_threads + "; ");
    }
    kernel.parameters = parameters(head.parameters + 1, close);
    if (const auto other = kernels_.find(name); other != kernels_.end())
      tokens_.fail(kernel.position, "line " + std::to_string(tokens_.line(other->second.position)) +
                                        " has a kernel called " + name +
                                        " too, which the emulator cannot tell apart; give one another name");
    kernels_[name] = std::move(kernel);
    kernel_order_.push_back(name);
  }
  bodies_.push_back({name, head.body, head.end - 1});
  statements(bodies_.back());
}

/// Takes the attributes of tokens [begin, end) out of the text.
Attributes Translator::take_attributes(int begin, int end) {
  Attributes found;
  for (int p = begin; p < end; ++p) {
    if (!tokens_.is(p, "[[") || tokens_.removed(p)) continue;
    const int close = tokens_.match(p);
    for (int q = p + 1; q < close; ++q) {
      std::string name = tokens_[q];
      while (tokens_.is(q + 1, "::")) {
        name += "::" + tokens_[q + 2];
        q += 2;
      }
      std::string argument;
      if (tokens_.is(q + 1, "(")) {
        argument = tokens_.text(q + 2, tokens_.match(q + 1));
        q = tokens_.match(q + 1);
      }
      found[name] = argument;
      if (tokens_.is(q + 1, ",")) ++q;
    }
    tokens_.remove(p, close + 1);
    p = close;
  }
  return found;
}

std::vector<KernelParameter> Translator::parameters(int begin, int end) {
  std::vector<KernelParameter> found;
  for (int p = begin, start = begin; p <= end && begin < end;) {
    if (p == end || tokens_.is(p, ",")) {
      KernelParameter parameter;
      parameter.attributes = take_attributes(start, p);
      for (int q = start; q < p; ++q) {
        if (tokens_.removed(q) || !tokens_.is_word(q)) continue;
        parameter.name = tokens_[q];
        parameter.position = q;
        if (parameter.space.empty() && is_address_space(tokens_[q])) parameter.space = tokens_[q];
      }
      found.push_back(std::move(parameter));
      start = p + 1;
    }
    const int past = tokens_.is(p, "<") ? tokens_.past_angles(p) : -1;
    p = past >= 0 ? past : tokens_.past(p);
  }
  return found;
}

/// template [[host_name("...")]] [[kernel]] decltype(f<...>) f<...>; and its forms with a typedef or a whole signature.
void Translator::explicit_instance(int begin, int end, const Scope& scope) {
  const Attributes attributes = take_attributes(begin, end);
  const auto host_name = attributes.find("host_name");
  if (host_name == attributes.end()) return;
  int last = end - 2;
  while (last > begin && tokens_.removed(last)) --last;
  if (tokens_.is(last, ")")) last = tokens_.match(last) - 1;  // void f<...>(parameters)
  const int expression_end = last + 1;
  if (tokens_.is(last, ">")) {  // back to where the template brackets open
    int depth = 0;
    for (;; --last) {
      if (tokens_.is(last, ")") || tokens_.is(last, "]") || tokens_.is(last, "}")) last = tokens_.match(last);
      depth += tokens_.is(last, ">") ? 1 : tokens_.is(last, "<") ? -1 : 0;
      if (depth == 0) break;
    }
    --last;
  }
  const std::string function = tokens_[last];
  // Its address and its limit are taken here, where the names in its arguments mean what they mean.
  const std::string instance = "metal_instance_" + std::to_string(instances_.size());
  std::string values = "static constexpr auto " + instance + " = &" + tokens_.text(last, expression_end) + ";";
  std::string most_threads = "0";
  if (const auto kernel = kernels_.find(function);
      kernel != kernels_.end() && !kernel->second.most_threads_of.empty()) {
    most_threads = scope.qualifier + instance + "_threads";
    values += " static constexpr uint " + instance + "_threads = " + kernel->second.most_threads_of +
              tokens_.text(last + 1, expression_end) + ";";
  }
  std::string name;  // adjacent string literals join
  for (std::size_t i = 0, open = std::string::npos; i < host_name->second.size(); ++i) {
    if (host_name->second[i] != '"') continue;
    if (open != std::string::npos) name += host_name->second.substr(open + 1, i - open - 1);
    open = open == std::string::npos ? i : std::string::npos;
  }
  if (!only_instance_.empty() && name != only_instance_) return tokens_.remove(begin, end);
  instances_.push_back({name, function, "*" + scope.qualifier + instance, begin, most_threads});
  tokens_.remove(begin, end);
  tokens_.insert_before(begin, values);
}

}  // namespace flashtile::metal_emulator
