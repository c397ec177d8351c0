print("shiplift")
