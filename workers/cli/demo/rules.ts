/** The rule file that the demo's delivery goes by, with its comments: the dashboard shows which rule decided how often. */
export const ruleFile = `[
  // This server says "try again later" of boxes that will never be opened again: a bounce at once, instead of days of tries.
  { "match": "(?i)closed and will not be opened again", "code": 550, "enhanced": "5.2.1", "class": "InactiveMailbox" },

  // "5.7.1" would be counted as a matter of authentication.
  { "match": "(?i)nobody takes mail for this department", "class": "PolicyRelated" }
]
`;
