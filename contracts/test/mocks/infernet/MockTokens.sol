// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ERC20} from "solady/tokens/ERC20.sol";

/// @title An ERC-20 with six decimals.
contract SixDecimalsToken is ERC20 {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function name() public pure override returns (string memory) {
        return "Six";
    }

    function symbol() public pure override returns (string memory) {
        return "SIX";
    }

    function decimals() public pure override returns (uint8) {
        return 6;
    }
}

/// @title An ERC-20 whose `transfer` answers false and moves nothing.
contract FalseToken {
    function balanceOf(address) external pure returns (uint256) {
        return type(uint128).max;
    }

    function transfer(address, uint256) external pure returns (bool) {
        return false;
    }
}

/// @title An ERC-20 whose `transfer` answers nothing.
contract SilentToken {
    mapping(address => uint256) public balanceOf;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }
}

/// @title A recipient that refuses the native coin.
contract RefusingRecipient {
    receive() external payable {
        revert("refused");
    }
}
