"""Who may call the API, and how much: keys with scopes, allowances, and a line for each refusal.

::

    settings   when keys are asked for, and the caps
    keys       what a key is, and its text
    key_file   the file of the keys, read and changed
    ring       the keys as a gateway knows them, looked up in constant time
    allowance  so much a second, for each of many
    guard      stands before every route of the table
    startup    the first administrator's key
"""
