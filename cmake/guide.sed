# guide.sed - a page of the guide for where it is installed: links to what has another name there, and none to what only the
# source has.
s#\]\((\.\./)?LICENSE\)#](\1copyright)#g
s#\]\((\.\./)?CHANGELOG\.md\)#](\1changelog.gz)#g
s#\[([^][]*)\]\((\.\./)?(ARCHITECTURE\.md|CONTRIBUTING\.md|tests/[^)]*)\)#\1#g
