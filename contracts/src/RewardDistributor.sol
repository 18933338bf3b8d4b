// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {EIP712} from "solady/utils/EIP712.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {SignatureCheckerLib} from "solady/utils/SignatureCheckerLib.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "./interfaces/IRewardDistributor.sol";
import {IStakeHook, IStakeVault} from "./interfaces/IStakeVault.sol";
import {RewardLib} from "./libraries/RewardLib.sol";
import {TableLib} from "./libraries/TableLib.sol";
import {StakeVault} from "./StakeVault.sol";
import {ModelId} from "./types/ModelId.sol";
import {UsageMeter} from "./UsageMeter.sol";

/// @title RewardDistributor
/// @dev A delivery touches the model's book and its table's cumulative fees, whatever the number of contributors and
///      delegators. Contributors are settled when they claim or when their stake changes, delegators likewise.
contract RewardDistributor is IRewardDistributor, Ownable2Step, EIP712 {
    using SafeTransferLib for address;

    /// @inheritdoc IRewardDistributor
    uint256 public constant MAX_CLAIM_FEE_PPM = 200_000;

    /// @inheritdoc IRewardDistributor
    uint256 public constant MAX_CONTRIBUTORS = 64;

    /// @inheritdoc IRewardDistributor
    /// @dev Bounds the gas of a settlement: about 10,000 for each table with new fees.
    uint256 public constant MAX_TABLES_PER_OPERATOR = 128;

    /// @inheritdoc IRewardDistributor
    address public immutable PAYMENT_TOKEN;

    /// @inheritdoc IRewardDistributor
    address public immutable REGISTRY;

    /// @inheritdoc IRewardDistributor
    address public immutable METER;

    /// @inheritdoc IRewardDistributor
    address public immutable VAULT;

    struct Totals {
        uint128 reserves;
        uint128 treasuryOwed;
    }

    struct ModelBook {
        uint128 hostAccrued;
        uint64 tableId;
        bool hasTraining;
        bool hasValidators;
    }

    /// @dev Fees that each role of a table earned since the table came into force.
    struct TableFees {
        uint128 training;
        uint128 validators;
    }

    /// @dev An operator's place in a table. `place` is its position, counted from 1, in the operator's list of tables.
    struct TableEntry {
        uint32 trainingWeight;
        uint32 validatorWeight;
        uint64 trainingTotal;
        uint64 validatorTotal;
        uint64 place;
        uint128 trainingSettled;
        uint128 validatorSettled;
    }

    struct Table {
        uint64 nonce;
        Contributor[] training;
        Contributor[] validators;
    }

    /// @dev `carry` is what spreading over delegators left, in units of 1 / PER_SHARE_SCALE of a base unit.
    struct OperatorBook {
        uint128 accrued;
        uint128 carry;
        uint256 perShare;
    }

    /// @dev `accruedScaled` keeps fractions of a base unit, so that nothing is lost between settlements.
    struct DelegatorBook {
        uint256 perShareSettled;
        uint256 accruedScaled;
    }

    Totals internal totals;
    ClaimFees internal fees = ClaimFees({hostPpm: 0, operatorPpm: 80_000, delegatorPpm: 145_000});
    uint64 internal tableCount;

    /// @inheritdoc IRewardDistributor
    address public treasury;

    /// @inheritdoc IRewardDistributor
    mapping(address account => bool allowed) public isAttester;

    /// @inheritdoc IRewardDistributor
    mapping(address account => uint256 amount) public balanceOf;

    mapping(ModelId modelId => ModelBook book) internal modelBooks;
    mapping(uint256 tableId => TableFees cumulative) internal tableFees;
    mapping(uint256 tableId => Table table) internal tables;
    mapping(uint256 tableId => mapping(address operator => TableEntry entry)) internal entries;
    mapping(address operator => uint64[] tableIds) internal tableIdsOf;
    mapping(address operator => OperatorBook book) internal operatorBooks;
    mapping(address operator => mapping(address delegator => DelegatorBook book)) internal delegatorBooks;

    modifier onlyMeter() {
        if (msg.sender != METER) revert NotMeter(msg.sender);
        _;
    }

    constructor(address owner_, address paymentToken, address stakeToken, address registry, address treasury_)
        Ownable(owner_)
    {
        if (paymentToken == address(0) || stakeToken == address(0) || registry == address(0)) revert AddressMissing();
        PAYMENT_TOKEN = paymentToken;
        REGISTRY = registry;
        VAULT = address(new StakeVault(stakeToken));
        METER = address(new UsageMeter(IModelRegistry(registry)));
        _setTreasury(treasury_);
        emit ClaimFeesSet(fees);
    }

    /// @inheritdoc IRewardDistributor
    function takeEscrow(uint256 amount) external onlyMeter {
        uint256 required = totals.reserves + amount;
        uint256 held = PAYMENT_TOKEN.balanceOf(address(this));
        if (held < required) revert EscrowNotFunded(required, held);
        totals.reserves = SafeCastLib.toUint128(required);
    }

    /// @inheritdoc IRewardDistributor
    function bookFee(
        ModelId modelId,
        uint256 fee,
        uint256 trainingPpm,
        uint256 validatorPpm,
        address requester,
        uint256 refund
    ) external onlyMeter returns (uint256 hostPart, uint256 trainingPart, uint256 validatorPart) {
        ModelBook memory book = modelBooks[modelId];
        if (book.hasTraining) trainingPart = RewardLib.ppmDown(fee, trainingPpm);
        if (book.hasValidators) validatorPart = RewardLib.ppmDown(fee, validatorPpm);
        hostPart = fee - trainingPart - validatorPart;

        modelBooks[modelId].hostAccrued = book.hostAccrued + uint128(hostPart);
        if (trainingPart + validatorPart != 0) {
            TableFees memory cumulative = tableFees[book.tableId];
            cumulative.training += uint128(trainingPart);
            cumulative.validators += uint128(validatorPart);
            tableFees[book.tableId] = cumulative;
        }
        if (refund != 0) _credit(requester, refund);
    }

    /// @inheritdoc IRewardDistributor
    function refundEscrow(address requester, uint256 amount) external onlyMeter {
        if (amount != 0) _credit(requester, amount);
    }

    /// @inheritdoc IStakeHook
    function beforeStakeChange(address operator, address delegator) external {
        if (msg.sender != VAULT) revert NotVault(msg.sender);
        _settleOperator(operator);
        if (delegator != address(0)) _keepScaled(delegator, operator, _collectDelegator(delegator, operator));
    }

    /// @inheritdoc IRewardDistributor
    function setContributors(ContributorTable calldata table, address attester, bytes calldata signature) external {
        if (IModelRegistry(REGISTRY).hostOf(table.modelId) == address(0)) revert ModelUnknown(table.modelId);
        if (block.timestamp > table.expiry) revert AttestationExpired(table.expiry);
        ModelBook storage book = modelBooks[table.modelId];
        uint64 currentNonce = tables[book.tableId].nonce;
        if (table.nonce <= currentNonce) revert AttestationStale(table.nonce, currentNonce);
        if (
            !isAttester[attester]
                || !SignatureCheckerLib.isValidSignatureNowCalldata(attester, tableDigest(table), signature)
        ) revert AttestationInvalid(attester);
        uint64 trainingTotal = _checkRole(table.training);
        uint64 validatorTotal = _checkRole(table.validators);

        if (book.tableId != 0) book.hostAccrued += uint128(_closeTable(book.tableId));
        uint64 tableId = ++tableCount;
        book.tableId = tableId;
        book.hasTraining = table.training.length != 0;
        book.hasValidators = table.validators.length != 0;
        tables[tableId].nonce = table.nonce;
        for (uint256 i; i < table.training.length; ++i) {
            Contributor calldata member = table.training[i];
            tables[tableId].training.push(member);
            TableEntry storage entry = _joinTable(tableId, member.account);
            entry.trainingWeight = member.weight;
            entry.trainingTotal = trainingTotal;
        }
        for (uint256 i; i < table.validators.length; ++i) {
            Contributor calldata member = table.validators[i];
            tables[tableId].validators.push(member);
            TableEntry storage entry = _joinTable(tableId, member.account);
            entry.validatorWeight = member.weight;
            entry.validatorTotal = validatorTotal;
        }
        emit ContributorsSet(table.modelId, tableId, attester, table);
    }

    /// @inheritdoc IRewardDistributor
    function claimHost(ModelId[] calldata modelIds, address to) external returns (uint256 paid) {
        for (uint256 i; i < modelIds.length; ++i) {
            ModelId modelId = modelIds[i];
            address host = IModelRegistry(REGISTRY).hostOf(modelId);
            address receiver = _receiver(host, to);
            uint256 gross = modelBooks[modelId].hostAccrued;
            if (gross == 0) continue;
            modelBooks[modelId].hostAccrued = 0;
            uint256 claimFee = RewardLib.ppmDown(gross, fees.hostPpm);
            emit HostClaimed(modelId, host, receiver, gross - claimFee, claimFee);
            paid += _pay(receiver, gross, claimFee);
        }
        if (paid == 0) revert NothingToClaim();
    }

    /// @inheritdoc IRewardDistributor
    function claimOperator(address[] calldata operators, address to) external returns (uint256 paid) {
        for (uint256 i; i < operators.length; ++i) {
            address operator = operators[i];
            address receiver = _receiver(operator, to);
            uint256 earned = _earn(operator);
            uint256 gross = operatorBooks[operator].accrued;
            if (gross != 0) operatorBooks[operator].accrued = 0;
            if (earned != 0) gross += _shareOut(operator, earned);
            if (gross == 0) continue;
            uint256 claimFee = RewardLib.ppmDown(gross, fees.operatorPpm);
            emit OperatorClaimed(operator, receiver, gross - claimFee, claimFee);
            paid += _pay(receiver, gross, claimFee);
        }
        if (paid == 0) revert NothingToClaim();
    }

    /// @inheritdoc IRewardDistributor
    function claimDelegator(address delegator, address[] calldata operators, address to)
        external
        returns (uint256 paid)
    {
        address receiver = _receiver(delegator, to);
        uint256 grossSum;
        uint256 claimFeeSum;
        for (uint256 i; i < operators.length; ++i) {
            address operator = operators[i];
            _settleOperator(operator);
            uint256 dueScaled = _collectDelegator(delegator, operator);
            uint256 gross = dueScaled / RewardLib.PER_SHARE_SCALE;
            _keepScaled(delegator, operator, dueScaled % RewardLib.PER_SHARE_SCALE);
            if (gross == 0) continue;
            uint256 claimFee = RewardLib.ppmDown(gross, fees.delegatorPpm);
            emit DelegatorClaimed(delegator, operator, receiver, gross - claimFee, claimFee);
            grossSum += gross;
            claimFeeSum += claimFee;
        }
        if (grossSum == 0) revert NothingToClaim();
        paid = _pay(receiver, grossSum, claimFeeSum);
    }

    /// @inheritdoc IRewardDistributor
    function withdrawBalance(address account, address to) external returns (uint256 paid) {
        address receiver = _receiver(account, to);
        uint256 amount = balanceOf[account];
        if (amount == 0) revert NothingToClaim();
        balanceOf[account] = 0;
        emit BalanceWithdrawn(account, receiver, amount);
        paid = _pay(receiver, amount, 0);
    }

    /// @inheritdoc IRewardDistributor
    function payTreasury() external returns (uint256 paid) {
        paid = totals.treasuryOwed;
        if (paid == 0) revert NothingToClaim();
        totals.treasuryOwed = 0;
        address receiver = treasury;
        emit TreasuryPaid(receiver, paid);
        _pay(receiver, paid, 0);
    }

    /// @inheritdoc IRewardDistributor
    function setClaimFees(ClaimFees calldata newFees) external onlyOwner {
        if (newFees.hostPpm > MAX_CLAIM_FEE_PPM) revert ClaimFeeTooHigh(newFees.hostPpm);
        if (newFees.operatorPpm > MAX_CLAIM_FEE_PPM) revert ClaimFeeTooHigh(newFees.operatorPpm);
        if (newFees.delegatorPpm > MAX_CLAIM_FEE_PPM) revert ClaimFeeTooHigh(newFees.delegatorPpm);
        fees = newFees;
        emit ClaimFeesSet(newFees);
    }

    /// @inheritdoc IRewardDistributor
    function setAttester(address attester, bool allowed) external onlyOwner {
        if (attester == address(0)) revert AddressMissing();
        isAttester[attester] = allowed;
        emit AttesterSet(attester, allowed);
    }

    /// @inheritdoc IRewardDistributor
    function setTreasury(address newTreasury) external onlyOwner {
        _setTreasury(newTreasury);
    }

    /// @inheritdoc IRewardDistributor
    function claimableHost(ModelId modelId) external view returns (uint256) {
        return modelBooks[modelId].hostAccrued;
    }

    /// @inheritdoc IRewardDistributor
    function claimableOperator(address operator) external view returns (uint256) {
        uint256 earned = _unsettledOf(operator);
        IStakeVault.Stake memory stake = IStakeVault(VAULT).stakeOf(operator);
        uint256 part = RewardLib.delegatorsPartDown(earned, stake.sigmaPpm, stake.own, stake.delegated);
        return operatorBooks[operator].accrued + earned - part;
    }

    /// @inheritdoc IRewardDistributor
    function claimableDelegator(address delegator, address operator) external view returns (uint256) {
        IStakeVault.Stake memory stake = IStakeVault(VAULT).stakeOf(operator);
        OperatorBook memory operatorBook = operatorBooks[operator];
        uint256 part =
            RewardLib.delegatorsPartDown(_unsettledOf(operator), stake.sigmaPpm, stake.own, stake.delegated);
        uint256 perShare = operatorBook.perShare;
        if (part != 0) {
            (uint256 increase,) = RewardLib.spreadDown(part, operatorBook.carry, stake.delegated);
            perShare += increase;
        }
        DelegatorBook memory book = delegatorBooks[operator][delegator];
        uint256 delegated = IStakeVault(VAULT).delegationOf(delegator, operator);
        return (book.accruedScaled + delegated * (perShare - book.perShareSettled)) / RewardLib.PER_SHARE_SCALE;
    }

    /// @inheritdoc IRewardDistributor
    function claimFees() external view returns (ClaimFees memory) {
        return fees;
    }

    /// @inheritdoc IRewardDistributor
    function reserves() external view returns (uint256) {
        return totals.reserves;
    }

    /// @inheritdoc IRewardDistributor
    function treasuryOwed() external view returns (uint256) {
        return totals.treasuryOwed;
    }

    /// @inheritdoc IRewardDistributor
    function contributorsOf(ModelId modelId)
        external
        view
        returns (uint256 tableId, uint64 nonce, Contributor[] memory training, Contributor[] memory validators)
    {
        tableId = modelBooks[modelId].tableId;
        Table storage table = tables[tableId];
        return (tableId, table.nonce, table.training, table.validators);
    }

    /// @inheritdoc IRewardDistributor
    function tablesOf(address operator) external view returns (uint256[] memory ids) {
        uint64[] storage list = tableIdsOf[operator];
        ids = new uint256[](list.length);
        for (uint256 i; i < ids.length; ++i) {
            ids[i] = list[i];
        }
    }

    /// @inheritdoc IRewardDistributor
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparator();
    }

    /// @inheritdoc IRewardDistributor
    function tableDigest(ContributorTable calldata table) public view returns (bytes32) {
        return _hashTypedData(TableLib.structHash(table));
    }

    function _domainNameAndVersion() internal pure override returns (string memory name, string memory version) {
        name = "FLock RewardDistributor";
        version = "1";
    }

    /// @dev Moves what an operator earned in all its tables to its own account and to its delegators.
    function _settleOperator(address operator) internal {
        uint256 earned = _earn(operator);
        if (earned != 0) operatorBooks[operator].accrued += uint128(_shareOut(operator, earned));
    }

    /// @dev Marks an operator's earnings in all its tables as settled.
    function _earn(address operator) internal returns (uint256 earned) {
        uint64[] storage list = tableIdsOf[operator];
        uint256 count = list.length;
        for (uint256 i; i < count; ++i) {
            earned += _settleEntry(list[i], operator);
        }
    }

    /// @dev Marks an operator's earnings in one table as settled.
    function _settleEntry(uint256 tableId, address operator) internal returns (uint256 earned) {
        TableFees memory cumulative = tableFees[tableId];
        TableEntry storage entry = entries[tableId][operator];
        earned = _earnedIn(cumulative, entry);
        if (earned != 0) {
            entry.trainingSettled = cumulative.training;
            entry.validatorSettled = cumulative.validators;
        }
    }

    function _earnedIn(TableFees memory cumulative, TableEntry memory entry) internal pure returns (uint256) {
        return RewardLib.earnedDown(
            entry.trainingSettled, cumulative.training, entry.trainingWeight, entry.trainingTotal
        )
            + RewardLib.earnedDown(
                entry.validatorSettled, cumulative.validators, entry.validatorWeight, entry.validatorTotal
            );
    }

    function _unsettledOf(address operator) internal view returns (uint256 earned) {
        uint64[] storage list = tableIdsOf[operator];
        uint256 count = list.length;
        for (uint256 i; i < count; ++i) {
            earned += _earnedIn(tableFees[list[i]], entries[list[i]][operator]);
        }
    }

    /// @dev Splits an operator's reward with its delegators, by the stake it was earned with: the vault settles before
    ///      any stake changes, so present stake is that stake.
    /// @return ownPart what the caller has to credit or pay to the operator
    function _shareOut(address operator, uint256 earned) internal returns (uint256 ownPart) {
        IStakeVault.Stake memory stake = IStakeVault(VAULT).stakeOf(operator);
        uint256 part = RewardLib.delegatorsPartDown(earned, stake.sigmaPpm, stake.own, stake.delegated);
        ownPart = earned - part;
        if (part != 0) {
            OperatorBook storage book = operatorBooks[operator];
            (uint256 increase, uint256 carry) = RewardLib.spreadDown(part, book.carry, stake.delegated);
            book.perShare += increase;
            book.carry = uint128(carry);
        }
        emit OperatorSettled(operator, ownPart, part);
    }

    /// @dev Marks a delegator's earnings with an operator as settled; the caller keeps or pays them.
    /// @return dueScaled all that was not paid, times PER_SHARE_SCALE
    function _collectDelegator(address delegator, address operator) internal returns (uint256 dueScaled) {
        uint256 perShare = operatorBooks[operator].perShare;
        DelegatorBook storage book = delegatorBooks[operator][delegator];
        uint256 settled = book.perShareSettled;
        dueScaled = book.accruedScaled;
        if (perShare == settled) return dueScaled;
        book.perShareSettled = perShare;
        dueScaled += IStakeVault(VAULT).delegationOf(delegator, operator) * (perShare - settled);
    }

    function _keepScaled(address delegator, address operator, uint256 amountScaled) internal {
        DelegatorBook storage book = delegatorBooks[operator][delegator];
        if (book.accruedScaled != amountScaled) book.accruedScaled = amountScaled;
    }

    /// @dev A role is in strictly rising address order, so that nobody is in it twice.
    function _checkRole(Contributor[] calldata members) internal pure returns (uint64 totalWeight) {
        if (members.length > MAX_CONTRIBUTORS) revert TooManyContributors(members.length);
        address previous;
        for (uint256 i; i < members.length; ++i) {
            address account = members[i].account;
            if (account <= previous || members[i].weight == 0) revert ContributorInvalid(account);
            totalWeight += members[i].weight;
            previous = account;
        }
    }

    function _joinTable(uint256 tableId, address operator) internal returns (TableEntry storage entry) {
        entry = entries[tableId][operator];
        if (entry.place != 0) return entry;
        uint64[] storage list = tableIdsOf[operator];
        if (list.length == MAX_TABLES_PER_OPERATOR) revert TooManyTables(operator);
        list.push(uint64(tableId));
        entry.place = uint64(list.length);
    }

    /// @dev Settles and removes every member. Floors leave a remainder below the number of members: it goes to the host.
    function _closeTable(uint256 tableId) internal returns (uint256 remainder) {
        TableFees memory cumulative = tableFees[tableId];
        remainder = uint256(cumulative.training) + cumulative.validators;
        remainder -= _closeRole(tableId, tables[tableId].training, cumulative);
        remainder -= _closeRole(tableId, tables[tableId].validators, cumulative);
        delete tables[tableId];
        delete tableFees[tableId];
    }

    /// @return due what the members that leave here earned in both roles since the table came into force
    function _closeRole(uint256 tableId, Contributor[] storage members, TableFees memory cumulative)
        internal
        returns (uint256 due)
    {
        uint256 count = members.length;
        for (uint256 i; i < count; ++i) {
            address operator = members[i].account;
            TableEntry memory entry = entries[tableId][operator];
            if (entry.place == 0) continue;
            due += RewardLib.earnedDown(0, cumulative.training, entry.trainingWeight, entry.trainingTotal)
                + RewardLib.earnedDown(0, cumulative.validators, entry.validatorWeight, entry.validatorTotal);
            uint256 earned = _earnedIn(cumulative, entry);
            if (earned != 0) operatorBooks[operator].accrued += uint128(_shareOut(operator, earned));
            _leaveTable(tableId, operator, entry.place);
        }
    }

    function _leaveTable(uint256 tableId, address operator, uint256 place) internal {
        uint64[] storage list = tableIdsOf[operator];
        uint64 last = list[list.length - 1];
        if (last != tableId) {
            list[place - 1] = last;
            entries[last][operator].place = uint64(place);
        }
        list.pop();
        delete entries[tableId][operator];
    }

    function _credit(address account, uint256 amount) internal {
        balanceOf[account] += amount;
    }

    /// @dev Anyone may have a beneficiary paid at its own address; only the beneficiary may name another.
    function _receiver(address beneficiary, address to) internal view returns (address) {
        if (to == address(0)) return beneficiary;
        if (beneficiary != msg.sender) revert NotBeneficiary(beneficiary, msg.sender);
        return to;
    }

    /// @dev All books are settled before this call. The claim fee stays in reserves, owed to the treasury. Reserves fall only
    ///      after the tokens have left: a token that calls the receiver first would else show it tokens that nobody is owed,
    ///      and let it open a request with them.
    function _pay(address receiver, uint256 gross, uint256 claimFee) internal returns (uint256 net) {
        net = gross - claimFee;
        PAYMENT_TOKEN.safeTransfer(receiver, net);
        Totals memory current = totals;
        totals = Totals({
            reserves: current.reserves - uint128(net),
            treasuryOwed: current.treasuryOwed + uint128(claimFee)
        });
    }

    function _setTreasury(address newTreasury) internal {
        if (newTreasury == address(0)) revert AddressMissing();
        treasury = newTreasury;
        emit TreasurySet(newTreasury);
    }
}
